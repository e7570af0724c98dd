/**
 * @module `npm run dev`: the embedded servers and workers, left up until Ctrl-C.
 */
import { join } from 'node:path';
import { mkdir, writeFile } from 'node:fs/promises';
import pc from 'picocolors';
import { packageRoot } from '../planning/environment/package-root.ts';
import { untilStopped } from './interrupt.ts';
import { obtainServer } from './obtain.ts';
import { createProgress } from './progress.ts';
import { shellQuote } from './shell-quote.ts';
import { startStack } from './stack.ts';
import { untilWorkersAreUp } from './workers-up.ts';

const directory = join(packageRoot, '.sandbox', 'dev');

/** By worker or server. */
const ends = new Map<string, number>();

function tellEnd(name: string, how: string): void {
  ends.set(name, (ends.get(name) ?? 0) + 1);
  const log = join(directory, 'logs', `${name}.log`);
  console.log(pc.yellow(`${name} ended (${how}); it is started again. Its log: ${log}`));
}

await untilStopped(async (signal) => {
  await mkdir(directory, { recursive: true });
  const progress = createProgress();
  const stack = await startStack({
    directory,
    signal,
    onProgress: progress.show,
    onEvent: (event) => {
      if (event.type === 'exited' && !signal.aborted) tellEnd(event.name, event.how);
      if (event.type === 'gaveUp') console.log(pc.red(event.error.message));
    },
  });
  try {
    progress.show('waiting for the workers');
    await untilWorkersAreUp(stack, (name) => ends.get(name) ?? 0, signal);
  } catch (error) {
    await stack.stop();
    throw error;
  }
  progress.end();
  const envFile = join(directory, 'env.sh');
  const exports = Object.entries(stack.env).map(([name, value]) => `export ${name}=${shellQuote(value)}\n`);
  // The server's own command line, which need not be on PATH.
  const temporal = `temporal() { ${shellQuote(await obtainServer('temporal'))} "$@"; }\n`;
  await writeFile(envFile, [...exports, temporal].join(''), { mode: 0o600 });
  console.log(`
${pc.bold('Everything is up.')} Ctrl-C ends it; data stay in ${directory}

  Temporal     ${stack.temporal.address}    web UI ${pc.cyan(stack.temporal.uiUrl)}
  S3           ${stack.s3.endpoint}   bucket ${stack.s3.bucket}
  logs         ${join(directory, 'logs')}

In another terminal:

  source ${shellQuote(envFile)}
  temporal workflow start --type jointTraining --task-queue glee --workflow-id lite-1 --input '{"config":"joint/sandbox"}'
  npx glee status lite-1 --watch
`);
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  console.log('stopping');
  await stack.stop();
});
