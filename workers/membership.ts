/**
 * @module A host's place in its pool. A GPU worker serves the host's queue only when the pool has accepted it: two machines
 * with one name would start two trainers of one attempt.
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import type { Logger } from 'pino';
import { z } from 'zod';
import { readTextIfThere, writeFileAtomically } from '../activities/files/atomic-files.ts';
import { EnvironmentError } from '../planning/environment/environment-error.ts';
import { CONTROL_TASK_QUEUE, poolWorkflowId } from '../contracts/ids.ts';
import type { HostView } from '../contracts/pool-view.ts';
import type { Host, LivingJob } from '../contracts/pool.ts';
import { hostQuery, joinSignal } from '../workflows/base/messages.ts';

const RETRY_MS = 1000;
const ANSWER_MS = 3000;
const LOG_EVERY_MS = 30_000;
/** A machine that crashed is missed within two heartbeat time-outs of its presence; who waits for longer needs a person. */
const LONGEST_REFUSAL_MS = 15 * 60_000;

/** Which machine was accepted last, in the scratch folder. */
const MARK = 'host.json';
const markSchema = z.object({ pool: z.string(), host: z.string(), place: z.string() });

/** What the pool says of this host's name. */
type Standing =
  /** `unknown`: no control worker answers. */
  { readonly kind: 'ours' | 'free' | 'unknown' } | { readonly kind: 'taken'; readonly by: string };

export interface MembershipOptions {
  readonly client: Client;
  readonly pool: string;
  readonly scratch: string;
  /** The host as it is now. */
  readonly host: () => Host & { readonly place: string; readonly workerSince: number };
  /** What lives on it. */
  readonly jobs: () => Promise<readonly LivingJob[]>;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Another worker has the host: this one must not serve its queue any longer. */
  readonly onRefused: (why: string) => void;
}

export class Membership {
  readonly #options: MembershipOptions;

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  /**
   * Joins, and waits until the pool has accepted this worker. Where no control worker answers, a machine that was accepted
   * before need not wait.
   *
   * @returns False when the worker was told to leave before it was accepted.
   * @throws EnvironmentError when another worker has the name for long.
   */
  async beginServing(): Promise<boolean> {
    const { host, signal } = this.#options;
    const beganAt = Date.now();
    for (let [loggedAt, isSent] = [0, false]; !signal.aborted;) {
      const standing = await this.#standing();
      if (standing.kind === 'free' || (standing.kind === 'unknown' && !isSent)) {
        await this.#sendJoin();
        isSent = true;
        if (standing.kind === 'unknown' && (await this.#wasAccepted())) {
          this.#checkInBackground();
          return true;
        }
        if ((await this.#standing()).kind === 'ours') return this.#accepted();
      }
      if (standing.kind === 'ours') return this.#accepted();
      if (host().leaving !== undefined) return false;
      if (Date.now() - loggedAt > LOG_EVERY_MS) {
        loggedAt = Date.now();
        this.#logRefusal(standing);
      }
      if (standing.kind === 'taken' && Date.now() - beganAt > LONGEST_REFUSAL_MS)
        throw new EnvironmentError(refusal(host().name, standing.by));
      await delay(RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
    return false;
  }

  /** Said again when something has changed, or the pool seems to have forgotten this host. */
  async join(): Promise<void> {
    await this.#sendJoin();
    this.#checkInBackground();
  }

  /** The pool may not be there yet, or Temporal may be away: tried until it is said. */
  async #sendJoin(): Promise<void> {
    const { client, pool, log, signal } = this.#options;
    while (!signal.aborted) {
      try {
        await client.workflow.signalWithStart('gpuPool', {
          workflowId: poolWorkflowId(pool),
          taskQueue: CONTROL_TASK_QUEUE,
          args: [],
          signal: joinSignal,
          signalArgs: [{ ...this.#options.host(), jobs: await this.#options.jobs() }],
        });
        log.info({ pool }, 'joined the pool');
        return;
      } catch (error) {
        log.warn({ pool, error: String(error) }, 'could not join the pool, trying on');
        await delay(RETRY_MS, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  async #accepted(): Promise<true> {
    const { host, pool, scratch } = this.#options;
    const { name, place } = host();
    await writeFileAtomically(join(scratch, MARK), JSON.stringify({ pool, host: name, place }));
    return true;
  }

  #logRefusal(standing: Standing): void {
    const { log, pool, host } = this.#options;
    const facts = { host: host().name, pool };
    if (standing.kind === 'taken') log.error(facts, refusal(facts.host, standing.by));
    else log.warn(facts, 'the pool has not accepted this host yet: does a control worker run?');
  }

  #checkInBackground(): void {
    void this.#check().catch((error: unknown) => {
      this.#options.log.warn(
        { error: String(error) },
        'could not see whether the pool has accepted this host',
      );
    });
  }

  async #check(): Promise<void> {
    const { signal, onRefused } = this.#options;
    while (!signal.aborted) {
      const standing = await this.#standing();
      if (standing.kind === 'ours' || standing.kind === 'free') return;
      if (standing.kind === 'taken') {
        onRefused(refusal(this.#options.host().name, standing.by));
        return;
      }
      await delay(RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #standing(): Promise<Standing> {
    const { client, pool } = this.#options;
    const { name, place, workerSince } = this.#options.host();
    try {
      const handle = client.workflow.getHandle(poolWorkflowId(pool));
      const known = await client.withDeadline(Date.now() + ANSWER_MS, () => handle.query(hostQuery, name));
      return standingOf(known, place, workerSince);
    } catch (error) {
      return { kind: error instanceof WorkflowNotFoundError ? 'free' : 'unknown' };
    }
  }

  /** This very machine, by this name: no one else can have been accepted while no control worker ran. */
  async #wasAccepted(): Promise<boolean> {
    const { pool, scratch } = this.#options;
    const { name, place } = this.#options.host();
    try {
      const mark = markSchema.parse(JSON.parse((await readTextIfThere(join(scratch, MARK))) ?? ''));
      return mark.pool === pool && mark.host === name && mark.place === place;
    } catch {
      return false;
    }
  }
}

function standingOf(known: HostView | null, place: string, workerSince: number): Standing {
  if (known?.present !== true || known.place === undefined) return { kind: 'free' };
  const since = known.workerSince ?? 0;
  if (known.place === place && since === workerSince) return { kind: 'ours' };
  if (known.place === place && since < workerSince) return { kind: 'free' };
  return { kind: 'taken', by: known.address };
}

function refusal(name: string, by: string): string {
  return `another worker is in the pool as host '${name}', at ${by}: give each machine a GLEE_HOST and a GLEE_SCRATCH of its own, or end the other worker; this one is accepted when the other is gone`;
}
