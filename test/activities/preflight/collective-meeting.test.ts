import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { test } from 'node:test';
import { listeningAddress } from '../../../activities/preflight/listening-address.ts';
import { callOn, openMeeting } from '../../../activities/preflight/collective-meeting.ts';

/** What the port says to who says `text`, until it hangs up. */
async function said(port: number, text: string, address = '127.0.0.1'): Promise<string> {
  const socket = connect({ host: address, port });
  let heard = '';
  socket.on('data', (piece: Buffer) => (heard += piece.toString()));
  socket.on('connect', () => socket.write(text));
  await once(socket, 'close').catch((error: unknown) => {
    heard = String(error);
  });
  return heard;
}

test('the hello port is open at GLEE_ADDRESS alone', async () => {
  const { hello, challenge = '' } = await openMeeting('gpu-1', '127.0.0.1');
  assert.match(await said(hello, `${challenge}\n`), /^\{"host":"gpu-1"/);
  // Every address of 127/8 is this machine's: one that listens on all interfaces answers there too.
  assert.match(await said(hello, `${challenge}\n`, '127.0.0.2'), /ECONNREFUSED/);
});

test('it says nothing to who does not know the challenge, and hangs up', async () => {
  const { hello, challenge = '' } = await openMeeting('gpu-1', '127.0.0.1');
  const wrong = 'f'.repeat(challenge.length);
  for (const text of [
    `${wrong}\n`,
    'GET / HTTP/1.1\r\nHost: gpu-1\r\n\r\n',
    'x'.repeat(100_000),
    `${challenge} \n`,
  ])
    assert.doesNotMatch(await said(hello, text), /gpu-1/);
  assert.notEqual(challenge, (await openMeeting('gpu-1')).challenge);
  const stranger = { name: 'gpu-1', address: '127.0.0.1', ports: { hello, ranks: 1, challenge: wrong } };
  assert.match((await callOn(stranger, 2000)).problem ?? '', /does not reach gpu-1/);
});

test('it is closed after its time', async () => {
  const { hello, challenge = '' } = await openMeeting('gpu-1', '127.0.0.1', 1);
  let heard = '';
  for (const deadline = Date.now() + 5000; Date.now() < deadline && !heard.includes('ECONNREFUSED');)
    heard = await said(hello, `${challenge}\n`);
  assert.match(heard, /ECONNREFUSED/);
});

test('a literal address of this machine is taken as it is, a name as what it resolves to here', async () => {
  assert.equal(await listeningAddress('127.0.0.1'), '127.0.0.1');
  assert.equal(await listeningAddress('[::1]'), '::1');
  assert.match((await listeningAddress('localhost')) ?? '', /^(127\.0\.0\.1|::1)$/);
  for (const { address, internal } of Object.values(networkInterfaces()).flatMap((all) => all ?? []))
    if (!internal) assert.equal(await listeningAddress(address), address);
});

test('where the address is none of this machine, or only loopback by its own name, it listens on all', async () => {
  assert.equal(await listeningAddress('192.0.2.1'), undefined);
  assert.equal(await listeningAddress('no-such-host.invalid'), undefined);
  const own = await listeningAddress(hostname());
  assert.ok(!own?.startsWith('127.'), own);
});
