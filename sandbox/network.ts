/**
 * @module Machines on one machine, for tests and benches of what networks do: a Linux network namespace each, with an
 * address of its own, joined by a bridge that this process is on too. Needs root and `ip` of iproute2, nothing else.
 *
 * Cuts are silent, as a real partition is: packets vanish, no connection is refused. They are made in the neighbour
 * tables, since a kernel may lack nftables and packet filters but not these.
 */
import { existsSync } from 'node:fs';
import { execa } from 'execa';
import { z } from 'zod';
import type { Place } from './place.ts';
import { messageOf } from '../contracts/error-message.ts';

/** A machine of the network. */
export interface Machine extends Place {
  readonly name: string;
}

export interface Network {
  /** Of this process, as the machines reach it. */
  readonly address: string;
  readonly machines: readonly Machine[];
  /** Packets between the machine and the others vanish, both ways. */
  cut(machine: Machine, others: readonly Machine[]): Promise<void>;
  /** Undoes cuts between them. */
  mend(machine: Machine, others: readonly Machine[]): Promise<void>;
  /** The machine's cable: nothing comes in and nothing goes out. */
  unplug(machine: Machine): Promise<void>;
  plug(machine: Machine): Promise<void>;
  /** Pids of all that runs on the machine. */
  pids(machine: Machine): Promise<number[]>;
  /** Kills everything that runs on the machine, and takes it away for good. */
  destroy(machine: Machine): Promise<void>;
  /** Nothing is left of it then, whatever has happened before. */
  remove(): Promise<void>;
}

/** No one has it: what is sent there is lost. */
const NOWHERE = '02:00:00:00:00:01';
const CABLE = 'eth0';

/** Why no network can be made here; undefined when it can. */
export async function networkProblem(): Promise<string | undefined> {
  const name = `glee-${process.pid}-probe`;
  try {
    await ip('netns', 'add', name);
    await ip('netns', 'delete', name);
    return undefined;
  } catch (error) {
    return `no network namespaces here: ${messageOf(error)}`;
  }
}

/** One a process: its parts are named after the process, so that the next one can tell what a killed one has left. */
export async function createNetwork(names: readonly string[]): Promise<Network> {
  await removeLeftOvers();
  const bridge = bridgeOf(process.pid);
  const subnet = await freeSubnet();
  const remove = () => removeNetwork(process.pid);
  try {
    await ip('link', 'add', 'name', bridge, 'type', 'bridge');
    await ip('address', 'add', `${subnet}.1/24`, 'dev', bridge);
    await ip('link', 'set', bridge, 'up');
    const machines: Machine[] = [];
    for (const [index, name] of names.entries()) {
      const address = `${subnet}.${index + 10}`;
      await addMachine(bridge, name, address);
      machines.push({ name, address, enter: ['ip', 'netns', 'exec', namespaceOf(name)] });
    }
    return { address: `${subnet}.1`, machines, remove, ...handles(machines) };
  } catch (error) {
    await remove();
    throw error;
  }
}

function handles(machines: readonly Machine[]): Omit<Network, 'address' | 'machines' | 'remove'> {
  const indexOf = ({ name }: Machine) => machines.findIndex((one) => one.name === name);
  const socket = (machine: Machine) => socketOf(process.pid, indexOf(machine));
  return {
    cut: (machine, others) =>
      eachWay(machine, others, (from, { address }) =>
        inside(from, 'neigh', 'replace', address, 'lladdr', NOWHERE, 'nud', 'permanent', 'dev', CABLE),
      ),
    mend: (machine, others) =>
      eachWay(machine, others, (from, { address }) => inside(from, 'neigh', 'del', address, 'dev', CABLE)),
    unplug: (machine) => ip('link', 'set', socket(machine), 'down'),
    plug: (machine) => ip('link', 'set', socket(machine), 'up'),
    pids: ({ name }) => pidsIn(namespaceOf(name)),
    async destroy(machine) {
      await ip('link', 'set', socket(machine), 'down');
      await removeNamespace(namespaceOf(machine.name));
    },
  };
}

async function addMachine(bridge: string, name: string, address: string): Promise<void> {
  const namespace = namespaceOf(name);
  const index = Number(address.split('.').at(-1)) - 10;
  const socket = socketOf(process.pid, index);
  await ip('netns', 'add', namespace);
  await ip('link', 'add', socket, 'type', 'veth', 'peer', 'name', CABLE, 'netns', namespace);
  await ip('link', 'set', socket, 'master', bridge, 'up');
  await ip('-n', namespace, 'address', 'add', `${address}/24`, 'dev', CABLE);
  await ip('-n', namespace, 'link', 'set', CABLE, 'up');
  await ip('-n', namespace, 'link', 'set', 'lo', 'up');
}

async function eachWay(
  machine: Machine,
  others: readonly Machine[],
  act: (from: Machine, to: Machine) => Promise<void>,
): Promise<void> {
  for (const other of others) {
    await act(machine, other);
    await act(other, machine);
  }
}

function inside({ name }: Machine, ...args: readonly string[]): Promise<void> {
  return ip('-n', namespaceOf(name), ...args);
}

async function ip(...args: readonly string[]): Promise<void> {
  await execa('ip', args);
}

function namespaceOf(name: string, pid = process.pid): string {
  return `glee-${pid}-${name}`;
}

/** Names of links have 15 characters at most. */
function bridgeOf(pid: number): string {
  return `gleebr${pid}`;
}

function socketOf(pid: number, index: number): string {
  return `gv${pid}-${index}`;
}

/** Of 198.18.0.0/15, which is kept free for benches of networks (RFC 2544). */
async function freeSubnet(): Promise<string> {
  const { stdout } = await execa('ip', ['-4', '-oneline', 'address']);
  for (let n = process.pid; ; n += 1) {
    const subnet = `198.${String(18 + ((n >> 8) & 1))}.${n & 255}`;
    if (!stdout.includes(` ${subnet}.`)) return subnet;
  }
}

/** What processes have left that were killed. One with this process's own id was another process. */
async function removeLeftOvers(): Promise<void> {
  const links = (await list(['-json', 'link'], z.looseObject({ ifname: z.string() }))).map(
    ({ ifname }) => /^gleebr(\d+)$/.exec(ifname)?.[1],
  );
  const namespaces = (await listNamespaces()).map((name) => /^glee-(\d+)-/.exec(name)?.[1]);
  const pids = new Set([...links, ...namespaces].flatMap((pid) => (pid === undefined ? [] : [Number(pid)])));
  for (const pid of pids) {
    if (pid === process.pid || !existsSync(`/proc/${pid}`)) await removeNetwork(pid);
  }
}

async function removeNetwork(pid: number): Promise<void> {
  for (const name of await listNamespaces()) {
    if (name.startsWith(namespaceOf('', pid))) await removeNamespace(name);
  }
  await execa('ip', ['link', 'delete', bridgeOf(pid)], { reject: false });
}

/** A namespace lives on with its processes, so they go first; its end of the cable takes the other with it. */
async function removeNamespace(namespace: string): Promise<void> {
  for (const pid of await pidsIn(namespace)) killIfThere(pid);
  await execa('ip', ['-n', namespace, 'link', 'delete', CABLE], { reject: false });
  await execa('ip', ['netns', 'delete', namespace], { reject: false });
}

async function pidsIn(namespace: string): Promise<number[]> {
  const { stdout } = await execa('ip', ['netns', 'pids', namespace], { reject: false });
  return stdout.split('\n').filter(Boolean).map(Number);
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended in between.
  }
}

async function listNamespaces(): Promise<string[]> {
  return (await list(['-json', 'netns', 'list'], z.looseObject({ name: z.string() }))).map(
    ({ name }) => name,
  );
}

/** Says nothing at all where there is nothing to list. */
async function list<T>(args: readonly string[], schema: z.ZodType<T>): Promise<T[]> {
  const { stdout } = await execa('ip', args);
  return stdout.trim() === '' ? [] : z.array(schema).parse(JSON.parse(stdout));
}
