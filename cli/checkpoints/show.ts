/** @module `glee checkpoints show`: all that is known of one. */
import { takeSnapshot } from '../../activities/checkpoints/snapshot.ts';
import { idOf } from '../../activities/checkpoints/retention.ts';
import { print, type OutputOptions } from '../shared/output.ts';
import { withBucket } from '../shared/open-bucket.ts';
import { countText } from '../shared/format-count.ts';
import { sizeText } from '../../contracts/sizes.ts';
import { listed, seconds, type Listed } from './list.ts';
import { mustFind, refOf } from './stages.ts';

export async function show(ref: string, options: OutputOptions): Promise<void> {
  await withBucket(async (bucket, signal) => {
    const found = await mustFind(bucket, ref, signal);
    const all = listed(await takeSnapshot(bucket, found, signal));
    const known = all.find((one) => idOf(one) === idOf(found)) ?? { ...found, marks: ['no manifest'] };
    print({ ...known, url: `s3://${bucket.store.bucket}/${known.file.key}` }, options, render);
  });
}

function render(checkpoint: Listed & { readonly url: string }): string {
  const { url, file, iterations, token, savedAt, marks, times = {} } = checkpoint;
  const facts: readonly (readonly [string, string])[] = [
    ['file', url],
    ['size', `${sizeText(file.sizeBytes)} (${countText(file.sizeBytes)} bytes)`],
    ['sha256', file.sha256],
    ['crc32', file.crc32 ?? ''],
    ['iterations', countText(iterations)],
    ['attempt', String(token)],
    ['saved', new Date(savedAt).toLocaleString('sv-SE')],
    ['kept as', marks.join(', ')],
    [
      'pace',
      times.secondsPerIteration === undefined ? '' : `${seconds(times.secondsPerIteration)} an iteration`,
    ],
    ['stall', seconds(times.stall)],
    ['save', seconds(times.save)],
    ['upload', seconds(times.upload)],
    ['commit', seconds(times.commit)],
    ...(times.restores ?? []).map(({ host, at, seconds: took }): readonly [string, string] => [
      'restored',
      `on ${host} in ${seconds(took)}, ${new Date(at).toLocaleString('sv-SE')}`,
    ]),
  ];
  const lines = facts.flatMap(([name, value]) => (value === '' ? [] : [`  ${name.padEnd(11)} ${value}`]));
  return [refOf(checkpoint), ...lines].join('\n');
}
