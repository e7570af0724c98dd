import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Supervisors } from '../../../activities/training/supervisors.ts';

describe('Supervisors', () => {
  it('lets the first in at once', async () => {
    const supervisors = new Supervisors();
    const first = await supervisors.takeOver('job');
    assert.equal(first.signal.aborted, false);
    assert.ok(supervisors.isWatched('job'));
    first.end();
    assert.equal(supervisors.isWatched('job'), false);
  });

  it('tells the one before to let go, and lets the next in only when it has', async () => {
    const supervisors = new Supervisors();
    const first = await supervisors.takeOver('job');
    const order: string[] = [];
    const second = supervisors.takeOver('job').then((supervision) => {
      order.push('second begins');
      return supervision;
    });
    assert.equal(first.signal.aborted, true);
    await nextTurn();
    order.push('first ends');
    first.end();
    assert.equal((await second).signal.aborted, false);
    assert.deepEqual(order, ['first ends', 'second begins']);
  });

  it('is still watched by the second when the first has ended', async () => {
    const supervisors = new Supervisors();
    const first = await supervisors.takeOver('job');
    const taking = supervisors.takeOver('job');
    first.end();
    const second = await taking;
    assert.ok(supervisors.isWatched('job'));
    first.end();
    assert.ok(supervisors.isWatched('job'), 'an end that is said twice is one end');
    second.end();
    assert.equal(supervisors.isWatched('job'), false);
  });

  it('passes a job through a row of three, one at a time', async () => {
    const supervisors = new Supervisors();
    const first = await supervisors.takeOver('job');
    const secondTaking = supervisors.takeOver('job');
    const thirdTaking = supervisors.takeOver('job');
    first.end();
    const second = await secondTaking;
    assert.equal(second.signal.aborted, true, 'the third has come meanwhile');
    second.end();
    const third = await thirdTaking;
    assert.equal(third.signal.aborted, false);
    assert.ok(supervisors.isWatched('job'));
    third.end();
  });

  it('keeps jobs apart', async () => {
    const supervisors = new Supervisors();
    const one = await supervisors.takeOver('one');
    const other = await supervisors.takeOver('other');
    assert.equal(one.signal.aborted, false);
    other.end();
    assert.ok(supervisors.isWatched('one'));
    one.end();
  });
});
