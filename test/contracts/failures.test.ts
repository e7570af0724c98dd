import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FAILURES, isFailureType } from '../../contracts/failures.ts';

test('the names of failures and what is done about them are pinned: recorded failures and scripts rely on them', () => {
  assert.deepEqual(FAILURES, {
    InvalidConfig: 'stop',
    PlanChanged: 'stop',
    SourceRefused: 'stop',
    StorageRefused: 'stop',
    MissingFile: 'stop',
    TrainerConfig: 'stop',
    ImportError: 'stop',
    DamagedData: 'stop',
    OutOfMemory: 'stop',
    WrongWeights: 'stop',
    DamagedCheckpoint: 'retry',
    DamagedHead: 'stop',
    NoGoodCheckpoint: 'stop',
    DiskFull: 'stop',
    NonFiniteLoss: 'retry',
    LossSpike: 'retry',
    GpuFault: 'retry',
    HostUnfit: 'retry',
    StoppedByPerson: 'stop',
    TrainerCrashed: 'retry',
    RepeatedCrash: 'stop',
    TrainerKilled: 'retry',
    TrainerLost: 'retry',
    Hang: 'retry',
    RendezvousFailed: 'retry',
    PeerLost: 'secondary',
    BudgetSpent: 'stop',
    HostLost: 'retry',
    Superseded: 'secondary',
  });
});

test('only these names name a failure, not what every object has', () => {
  for (const type of Object.keys(FAILURES)) assert.equal(isFailureType(type), true);
  for (const other of ['toString', '__proto__', 'constructor', 'Error', '', null, undefined]) {
    assert.equal(isFailureType(other), false, String(other));
  }
});
