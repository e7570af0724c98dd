import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { execa } from 'execa';
import { packageRoot } from '../../planning/environment/package-root.ts';

/** Port 9 refuses; nothing of this needs a server. */
const AWAY = {
  TEMPORAL_ADDRESS: '127.0.0.1:9',
  AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:9',
  AWS_REGION: 'us-east-1',
  AWS_ACCESS_KEY_ID: 'a',
  AWS_SECRET_ACCESS_KEY: 'b',
  NO_COLOR: '1',
};

for (const [command, expected] of [
  ['list', /^Temporal cannot be reached at 127\.0\.0\.1:9: .*\nSet TEMPORAL_ADDRESS/],
  ['sweep status x', /^Temporal cannot be reached at 127\.0\.0\.1:9/],
  ['checkpoints list', /^S3 cannot be reached: .*ECONNREFUSED.*\nSet AWS_ENDPOINT_URL_S3/],
  ['sweep report x', /^S3 cannot be reached: .*ECONNREFUSED.*\nSet AWS_ENDPOINT_URL_S3/],
  ['sweep add x --set a=1', /^S3 cannot be reached: .*ECONNREFUSED/],
  ['start joint/lite --run ../x', /^run id '\.\.\/x' must be 1 to 63 letters/],
  ['sweep start sweeps/x --id a/b', /^run id 'a\/b' must be 1 to 63 letters/],
  ['evaluate nonsense', /^'nonsense' names no checkpoint/],
] as const) {
  test(
    `glee ${command} says in a line what is wrong, without a stack, and fails`,
    { concurrency: true },
    async () => {
      const program = join(packageRoot, 'dist/cli/glee.js');
      const options = { env: AWAY, reject: false, timeout: 60_000 } as const;
      const { stdout, stderr, exitCode } = await execa(
        process.execPath,
        [program, ...command.split(' ')],
        options,
      );
      assert.equal(exitCode, 1);
      assert.match(stderr, expected);
      assert.equal(stdout, '');
      assert.ok(stderr.split('\n').length <= 2 && !/\n\s+at /.test(stderr), stderr);
    },
  );
}
