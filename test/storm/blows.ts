/** @module Carries out a strike, and undoes it when its time is over. */
import { readFileSync } from 'node:fs';
import { statfs, writeFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { poolWorkflowId } from '../../contracts/ids.ts';
import type { GpuHost } from '../../sandbox/stack.ts';
import type { Fault } from '../support/faulty-proxy.ts';
import type { Disturbances, Part } from './disturbances.ts';
import { diskOf, type StormLab } from './lab.ts';
import type { S3Fault, Strike, Victim } from './strikes.ts';
import { listTrainers, type TrainerProcess } from './trainers.ts';

/** A strike that lasts. */
export interface Lasting {
  readonly seconds: number;
  /** Harmless when what it concerned has ended meanwhile. */
  readonly end: () => Promise<void>;
}

export interface Struck {
  /** What was hit, for people. */
  readonly text: string;
  readonly lasting?: Lasting;
}

export class Blows {
  readonly #lab: StormLab;
  readonly #disturbances: Disturbances;
  /** Hosts that do not reach Temporal. */
  readonly #cutFrom = new Set<string>();

  constructor(lab: StormLab, disturbances: Disturbances) {
    this.#lab = lab;
    this.#disturbances = disturbances;
  }

  /** Undefined where there is nothing to hit now, or this machine cannot do it. Orders and messages are others' work. */
  async strike({ blow, pick }: Strike): Promise<Struck | undefined> {
    switch (blow.kind) {
      case 'kill':
        return this.#kill(blow.victims, pick);
      case 'freeze':
        return this.#freeze(this.#targetsAmong(blow.victims, pick), blow.seconds);
      case 'zombie':
        return this.#freeze(this.#workerWithTrainer(pick), blow.seconds);
      case 'cut from Temporal':
        return this.#cutFromTemporal(pick, blow.seconds);
      case 'S3 fault':
        return this.#failS3(blow.fault, blow.share, blow.seconds);
      case 'cut off':
        return this.#cutOff(this.#host(pick), blow.seconds);
      case 'disk full':
        return this.#fillDisk(this.#host(pick), blow.seconds);
      case 'upgrade':
        return this.#upgrade(pick);
      case 'pool lost':
        return this.#losePool();
      case 'order':
      case 'host order':
      case 'bad message':
        return undefined;
    }
  }

  #kill(victims: readonly Victim[], pick: number): Struck | undefined {
    const targets = this.#targetsAmong(victims, pick);
    for (const { pid, part } of targets) {
      this.#disturbances.begin(part);
      signal(pid, 'SIGKILL');
      this.#disturbances.end(part);
    }
    return targets.length === 0 ? undefined : { text: `SIGKILL to ${namesOf(targets)}` };
  }

  #freeze(targets: readonly Target[], seconds: number): Struck | undefined {
    if (targets.length === 0) return undefined;
    for (const { pid, part } of targets) {
      this.#disturbances.begin(part);
      signal(pid, 'SIGSTOP');
    }
    const end = () => {
      for (const { pid, part } of targets) {
        signal(pid, 'SIGCONT');
        this.#disturbances.end(part);
      }
      return Promise.resolve();
    };
    return { text: `SIGSTOP to ${namesOf(targets)} for ${seconds.toFixed(1)} s`, lasting: { seconds, end } };
  }

  #failS3(fault: S3Fault, share: number, seconds: number): Struck {
    this.#disturbances.begin('S3');
    // Of every hundred requests in a row, so many: what the seed draws, and no more chance.
    let count = 0;
    this.#lab.faultOf = () => {
      count += 1;
      return (count * share) % 1 < share ? faultOfKind(fault, count) : undefined;
    };
    const mine = this.#lab.faultOf;
    const end = () => {
      if (this.#lab.faultOf === mine) this.#lab.faultOf = undefined;
      this.#disturbances.end('S3');
      return Promise.resolve();
    };
    const percent = String(Math.round(share * 100));
    return {
      text: `S3: '${fault}' for ${percent} % of requests for ${seconds.toFixed(1)} s`,
      lasting: { seconds, end },
    };
  }

  async #cutOff(host: GpuHost, seconds: number): Promise<Struck | undefined> {
    const { network } = this.#lab;
    const machine = this.#lab.machineOf(host);
    if (network === undefined || machine === undefined) return undefined;
    this.#disturbances.begin(host.name);
    await network.unplug(machine);
    const end = async () => {
      await network.plug(machine);
      this.#disturbances.end(host.name);
    };
    return { text: `${host.name} is cut off for ${seconds.toFixed(1)} s`, lasting: { seconds, end } };
  }

  /** Of a gang of one host, where there is one: the other hosts of a larger one end their trainers, and so end its own. */
  async #cutFromTemporal(pick: number, seconds: number): Promise<Struck | undefined> {
    const { network, stack } = this.#lab;
    const trainers = this.trainers().filter(({ isShim }) => !isShim);
    const alone = trainers.filter(({ job }) => job.startsWith('storm-finetune'));
    const among = alone.length > 0 ? alone : trainers;
    const name = among[Math.floor(pick * among.length)]?.host;
    const host = stack.hosts.find((one) => one.name === name);
    const machine = host && this.#lab.machineOf(host);
    const temporal = network?.machines.filter((one) => one.name === 'temporal') ?? [];
    if (network === undefined || host === undefined || machine === undefined) return undefined;
    if (this.#cutFrom.has(host.name)) return undefined;
    this.#cutFrom.add(host.name);
    this.#disturbances.begin(host.name);
    await network.cut(machine, temporal);
    const end = async () => {
      await network.mend(machine, temporal);
      this.#cutFrom.delete(host.name);
      this.#disturbances.end(host.name);
    };
    return {
      text: `${host.name} is cut off from Temporal for ${seconds.toFixed(1)} s`,
      lasting: { seconds, end },
    };
  }

  async #fillDisk(host: GpuHost, seconds: number): Promise<Struck | undefined> {
    if (!this.#lab.smallDisks) return undefined;
    const folder = diskOf(this.#lab, host.name);
    const file = join(folder, 'of-somebody-else');
    this.#disturbances.begin(host.name);
    const { bavail, bsize } = await statfs(folder);
    await writeFile(file, Buffer.alloc(Math.max(0, (bavail - 2) * bsize))).catch(() => undefined);
    const end = async () => {
      await rm(file, { force: true });
      this.#disturbances.end(host.name);
    };
    return {
      text: `the disk of ${host.name} is full for ${seconds.toFixed(1)} s`,
      lasting: { seconds, end },
    };
  }

  #upgrade(pick: number): Struck | undefined {
    const host = this.#host(pick);
    this.#disturbances.begin(host.name);
    const sent = host.worker.kill('SIGTERM');
    this.#disturbances.end(host.name);
    return sent ? { text: `upgrade of the GPU worker of ${host.name} (SIGTERM)` } : undefined;
  }

  async #losePool(): Promise<Struck | undefined> {
    const pool = this.#lab.stack.client.workflow.getHandle(poolWorkflowId('default'));
    const done = await pool.terminate('the storm').then(
      () => true,
      () => false,
    );
    if (!done) return undefined;
    // Its hosts join the next one when they are asked, or by themselves.
    return { text: 'the pool is terminated' };
  }

  #host(pick: number): GpuHost {
    const { hosts } = this.#lab.stack;
    const host = hosts[Math.floor(pick * hosts.length)];
    if (host === undefined) throw new Error('the storm has no hosts');
    return host;
  }

  /** Of the longest stage, where one is trained: only there has another attempt begun by the time that the worker wakes up. */
  #workerWithTrainer(pick: number): readonly Target[] {
    const trainers = this.trainers().filter(({ isShim }) => !isShim);
    const long = trainers.filter(({ job }) => job.includes('joint') && job.includes('/stage1/'));
    const among = long.length > 0 ? long : trainers;
    const one = among[Math.floor(pick * among.length)];
    const host = this.#lab.stack.hosts.find(({ name }) => name === one?.host);
    return host === undefined ? [] : target(host.worker.pid, host.name, `GPU worker of ${host.name}`);
  }

  #targetsAmong(victims: readonly Victim[], pick: number): readonly Target[] {
    return victims.flatMap((victim) => this.#targets(victim, pick));
  }

  #targets(victim: Victim, pick: number): readonly Target[] {
    const { stack } = this.#lab;
    switch (victim) {
      case 'trainer':
      case 'shim': {
        const found = this.trainers().filter(({ isShim }) => isShim === (victim === 'shim'));
        const one = found[Math.floor(pick * found.length)];
        return one === undefined ? [] : target(one.pid, one.host, `${victim} of ${one.job} on ${one.host}`);
      }
      case 'GPU worker': {
        const { name, worker } = this.#host(pick);
        return target(worker.pid, name, `GPU worker of ${name}`);
      }
      case 'control worker':
        return target(stack.control.pid, 'control worker', victim);
      case 'Temporal server':
        return target(stack.temporal.process.pid, 'Temporal', victim);
      case 'S3 server':
        return target(stack.s3.process.pid, 'S3', victim);
    }
  }

  trainers(): readonly TrainerProcess[] {
    return listTrainers(new Map(this.#lab.stack.hosts.map(({ name, scratch }) => [name, scratch])));
  }
}

interface Target {
  readonly pid: number;
  readonly part: Part;
  readonly name: string;
}

function target(pid: number | undefined, part: Part, name: string): readonly Target[] {
  return pid === undefined ? [] : [{ pid, part, name: `${name} (pid ${pid})` }];
}

function namesOf(targets: readonly Target[]): string {
  return targets.map(({ name }) => name).join(' and ');
}

/** @param count Of the request: what depends on chance follows from it. */
function faultOfKind(fault: S3Fault, count: number): Fault {
  switch (fault) {
    case '503':
      return { kind: 'status', status: 503, code: 'SlowDown' };
    case 'stall':
      return count % 2 === 0 ? { kind: 'silence' } : { kind: 'stall', afterBytes: (count * 37) % 5000 };
    case 'cut':
      return { kind: 'cut', afterBytes: (count * 61) % 9000 };
    case 'late':
      return { kind: 'late', ms: 300 + ((count * 131) % 2500) };
    case 'belated':
      return { kind: 'belated', ms: 4000 + ((count * 1031) % 12_000) };
    case 'lost':
      return { kind: 'lost' };
    case 'reset':
      return { kind: 'reset' };
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    // A server's wrapper may have children: its own process alone is meant.
    if (readFileSync(`/proc/${pid}/comm`, 'utf8') !== '') process.kill(pid, name);
  } catch {
    // It ended in between.
  }
}
