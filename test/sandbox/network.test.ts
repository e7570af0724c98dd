import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { execa } from 'execa';
import { createNetwork, networkProblem, type Machine, type Network } from '../../sandbox/network.ts';
import { commandAt } from '../../sandbox/place.ts';
import { until } from '../support/until.ts';

const problem = await networkProblem();

/** Answers every connection with its own name. */
const SERVER = `
import socket, sys
listener = socket.create_server(("0.0.0.0", 7000))
while True:
    listener.accept()[0].sendall(sys.argv[1].encode())`;
const CLIENT = `
import socket, sys
print(socket.create_connection((sys.argv[1], 7000), timeout=0.5).recv(99).decode())`;

describe('machines of their own on this machine', { skip: problem ?? false }, () => {
  let network: Network;
  let servers: ChildProcess[];
  let a: Machine;
  let b: Machine;
  let c: Machine;
  before(async () => {
    network = await createNetwork(['a', 'b', 'c']);
    const [first, second, third] = network.machines;
    assert.ok(first !== undefined && second !== undefined && third !== undefined);
    [a, b, c] = [first, second, third];
    servers = network.machines.map((machine) => start(machine, SERVER, machine.name));
    for (const machine of network.machines) await until(`${machine.name} to listen`, () => hears(a, machine));
  });
  after(() => network.remove());

  it('have a link cut without the others noticing, and mended', async () => {
    await network.cut(a, [b]);
    assert.deepEqual([await hears(a, b), await hears(b, a)], [false, false]);
    assert.deepEqual([await hears(a, c), await hears(c, a), await hears(b, c)], [true, true, true]);
    await network.mend(a, [b]);
    assert.deepEqual([await hears(a, b), await hears(b, a)], [true, true]);
  });

  it('are unplugged and plugged in again', async () => {
    await network.unplug(b);
    assert.deepEqual([await hears(a, b), await hears(b, a), await hears(a, c)], [false, false, true]);
    await network.plug(b);
    await until('b to be heard again', () => hears(a, b));
  });

  it('die with all that runs on them', async () => {
    const [, , server] = servers;
    assert.ok(server !== undefined);
    const exited = once(server, 'exit');
    await network.destroy(c);
    await exited;
    assert.equal(await hears(a, c), false);
  });

  it('leave nothing behind, nor does a process that was killed', async () => {
    await network.remove();
    assert.deepEqual(await remains(process.pid), []);
    const killed = spawn(process.execPath, [
      '--input-type=module',
      '--eval',
      `const { createNetwork } = await import(${JSON.stringify(new URL('../../sandbox/network.js', import.meta.url).href)});
       await createNetwork(['left']);
       process.kill(process.pid, 'SIGKILL');`,
    ]);
    await once(killed, 'exit');
    assert.ok(killed.pid !== undefined && (await remains(killed.pid)).length > 0);
    network = await createNetwork(['next']);
    assert.deepEqual(await remains(killed.pid), []);
  });
});

function start(machine: Machine, program: string, ...args: readonly string[]): ChildProcess {
  const at = commandAt(machine, 'python3', ['-c', program, ...args]);
  return spawn(at.command, at.args, { stdio: 'ignore' });
}

async function hears(from: Machine, to: Machine): Promise<boolean> {
  const at = commandAt(from, 'python3', ['-c', CLIENT, to.address]);
  const { stdout } = await execa(at.command, at.args, { reject: false });
  return stdout === to.name;
}

/** What `ip` itself knows of a process's network. */
async function remains(pid: number): Promise<string[]> {
  const [namespaces, links] = await Promise.all([
    execa('ip', ['netns', 'list']),
    execa('ip', ['-oneline', 'link']),
  ]);
  return `${namespaces.stdout}\n${links.stdout}`
    .split('\n')
    .filter((line) => line.includes(`glee-${pid}-`) || line.includes(`gleebr${pid}`));
}
