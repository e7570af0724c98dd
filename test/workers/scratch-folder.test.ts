import assert from 'node:assert/strict';
import { chmod, chown, mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { pino } from 'pino';
import { writeFileAtomically } from '../../activities/files/atomic-files.ts';
import { claimScratch, prepareScratch } from '../../workers/scratch-folder.ts';
import { temporaryFolder } from '../fixtures/glee-checkout.ts';
import { until } from '../support/until.ts';

const log = pino({ level: 'silent' });

describe('prepareScratch', () => {
  it('makes a private folder, and gives its path without links', async (test) => {
    const above = await temporaryFolder(test);
    await symlink(above, join(above, 'link'));
    const folder = await prepareScratch(join(above, 'link/state/glee'));
    assert.equal(folder, join(above, 'state/glee'));
    assert.equal((await stat(folder)).mode & 0o777, 0o700);
  });

  it('refuses a folder that others may write to, and says what to do', async (test) => {
    const folder = await temporaryFolder(test);
    for (const mode of [0o777, 0o770, 0o722, 0o1777]) {
      await chmod(folder, mode);
      await assert.rejects(prepareScratch(folder), {
        name: 'EnvironmentError',
        message: `GLEE_SCRATCH ${folder} may be written to by others: chmod go-w ${folder}`,
      });
    }
    await chmod(folder, 0o755);
    assert.equal(await prepareScratch(folder), folder);
  });

  it('refuses one below a folder in which anyone may put another in its place', async (test) => {
    const above = await temporaryFolder(test);
    await mkdir(join(above, 'glee'), { mode: 0o700 });
    await chmod(above, 0o777);
    await assert.rejects(prepareScratch(join(above, 'glee')), /lies below .*, where anyone may put another/);
    await chmod(above, 0o1777);
    assert.equal(await prepareScratch(join(above, 'glee')), join(above, 'glee'));
  });

  it('refuses one of another user', async (test) => {
    const me = process.getuid?.();
    // Only root can give a folder away; for everyone else, root's own is one of another user.
    const [folder, owner] = me === 0 ? [await temporaryFolder(test), 65_534] : ['/usr', 0];
    if (me === 0) await chown(folder, owner, owner);
    await assert.rejects(prepareScratch(folder), {
      message: `GLEE_SCRATCH ${folder} belongs to user ${owner}: give the worker, user ${me}, a folder of its own`,
    });
  });

  it('says what keeps it from making one', async (test) => {
    const above = await temporaryFolder(test);
    await writeFile(join(above, 'file'), '');
    await assert.rejects(
      prepareScratch(join(above, 'file/glee')),
      /GLEE_SCRATCH .* cannot be made: .*ENOTDIR/,
    );
  });
});

describe('claimScratch', () => {
  it('refuses, by name, a folder that another machine uses', async (test) => {
    const { claim, say } = await makeClaim(test);
    let beat = 0;
    await say(beat);
    const other = setInterval(() => void say((beat += 1)), 50);
    test.after(() => clearInterval(other));
    await assert.rejects(claimScratch({ ...claim, silenceMs: 60_000 }), {
      name: 'EnvironmentError',
      message:
        /is in use by another machine, whose worker is gpu-7 \(elsewhere\): give each machine a folder/,
    });
  });

  it('takes over what another has left: a container before this one, or a machine that is gone', async (test) => {
    const { claim, say, owner } = await makeClaim(test);
    await say(7);
    await claimScratch(claim);
    assert.match(await owner(), /"host":"gpu-1"/);
  });

  it('is at once its own again after a restart of the worker', async (test) => {
    const { claim, stop } = await makeClaim(test);
    await claimScratch(claim);
    const startedAt = Date.now();
    await claimScratch({ ...claim, silenceMs: 60_000 });
    assert.ok(Date.now() - startedAt < 5000);
    stop();
  });

  it('tells a worker that was stopped for a while that another machine has taken the folder', async (test) => {
    const { claim, say, owner } = await makeClaim(test);
    const { kept } = await claimScratch(claim);
    await say(1);
    await assert.rejects(kept, /is in use by another machine, whose worker is gpu-7/);
    assert.match(await owner(), /"host":"gpu-7"/);
  });

  it('keeps saying so, and takes a damaged owner.json for none', async (test) => {
    const { claim, owner, path, stop } = await makeClaim(test);
    await writeFile(path, '{');
    const { kept } = await claimScratch(claim);
    const first = await owner();
    await until('it to be said again', async () => (await owner()) !== first);
    stop();
    await kept;
  });
});

async function makeClaim(test: TestContext) {
  const scratch = await temporaryFolder(test);
  const stopped = new AbortController();
  test.after(() => stopped.abort());
  const path = join(scratch, 'owner.json');
  return {
    claim: { scratch, host: 'gpu-1', log, signal: stopped.signal, beatMs: 100, silenceMs: 600 },
    path,
    say: (beat: number) =>
      writeFileAtomically(path, JSON.stringify({ host: 'gpu-7', place: 'elsewhere', beat })),
    owner: () => readFile(path, 'utf8'),
    stop: () => stopped.abort(),
  };
}
