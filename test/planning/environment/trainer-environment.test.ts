import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { passedNames, trainerEnvironment } from '../../../planning/environment/trainer-environment.ts';

describe('trainerEnvironment', () => {
  it('passes on what Python, CUDA, NCCL and proxies need', (test) => {
    const needed = {
      ...{ PATH: '/bin', HOME: '/root', LANG: 'C', LC_ALL: 'C', TMPDIR: '/t', XDG_CACHE_HOME: '/c' },
      ...{
        LD_LIBRARY_PATH: '/cuda',
        CUDA_HOME: '/cuda',
        NCCL_DEBUG: 'INFO',
        PYTHONPATH: '/p',
        OMP_NUM_THREADS: '4',
      },
      ...{
        DETECTRON2_DATASETS: '/d',
        HF_HOME: '/h',
        PYTORCH_CUDA_ALLOC_CONF: 'x',
        TOKENIZERS_PARALLELISM: '0',
      },
      ...{ https_proxy: 'http://proxy:3128', no_proxy: 'localhost', GLEE_BACKGROUND_SAVE: '1' },
    };
    set(test, needed);
    const passed = trainerEnvironment({ GLEE_JOB: '/job' });
    for (const [key, value] of Object.entries({ ...needed, GLEE_JOB: '/job' }))
      assert.equal(passed[key], value, key);
  });

  it('keeps secrets back, and all that it does not know', (test) => {
    const kept = [
      ...['GITHUB_TOKEN', 'WANDB_API_KEY', 'AWS_SECRET_ACCESS_KEY', 'AWS_PROFILE', 'TEMPORAL_API_KEY'],
      ...['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN', 'NVIDIA_API_KEY', 'PYTHON_KEYRING_PASSWORD', 'TORCH_SECRET'],
      ...['GLEE_BUCKET', 'SSH_AUTH_SOCK', 'DATABASE_URL', 'NPM_CONFIG_REGISTRY', 'SLACK_WEBHOOK'],
    ];
    set(test, Object.fromEntries(kept.map((key) => [key, 'secret'])));
    set(test, { HTTPS_PROXY: 'http://user:secret@proxy:3128', http_proxy: 'http://secret@proxy' });
    assert.doesNotMatch(JSON.stringify(trainerEnvironment({})), /secret/);
  });

  it('passes on what GLEE_PASS_ENV names, and only that', (test) => {
    set(test, { GLEE_PASS_ENV: 'WANDB_API_KEY,HTTPS_PROXY', WANDB_API_KEY: 'k', WANDB_MODE: 'online' });
    set(test, { HTTPS_PROXY: 'http://user:p@proxy' });
    const { WANDB_API_KEY, WANDB_MODE, HTTPS_PROXY } = trainerEnvironment({});
    assert.deepEqual([WANDB_API_KEY, WANDB_MODE, HTTPS_PROXY], ['k', undefined, 'http://user:p@proxy']);
  });

  it('says which part of GLEE_PASS_ENV is not a name', (test) => {
    set(test, { GLEE_PASS_ENV: 'WANDB_API_KEY, WANDB_MODE' });
    assert.throws(passedNames, { name: 'EnvironmentError', message: /^GLEE_PASS_ENV: ' WANDB_MODE' is no/ });
  });
});

function set(test: TestContext, variables: Readonly<Record<string, string>>): void {
  for (const [key, value] of Object.entries(variables)) {
    const before = process.env[key];
    process.env[key] = value;
    test.after(() => {
      if (before === undefined) Reflect.deleteProperty(process.env, key);
      else process.env[key] = before;
    });
  }
}
