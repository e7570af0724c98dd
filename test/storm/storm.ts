/** @module One storm, from the first strike to the last piece of work that has ended. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { livingTrainers } from '../../activities/training/jobs/processes.ts';
import { poolWorkflowId, stageWorkflowId } from '../../contracts/ids.ts';
import { ALL_STAGES } from '../../contracts/plan.ts';
import { poolQuery } from '../../workflows/base/messages.ts';
import { sendBadMessage } from './bad-messages.ts';
import { Blows, type Lasting } from './blows.ts';
import { KINDS_OF_WORK, type KindOfWork } from './configs.ts';
import { Disturbances } from './disturbances.ts';
import { HeadRules, objectsIn } from './heads.ts';
import { HostOrders } from './host-orders.ts';
import { inTime } from './in-time.ts';
import type { StormLab } from './lab.ts';
import { checkLeases } from './leases.ts';
import { Orders } from './orders.ts';
import type { Story } from './story.ts';
import type { Strike } from './strikes.ts';
import { TrainerRules } from './trainers.ts';
import { endOf, startPiece, type Piece } from './work.ts';

const LOOK_EVERY_MS = 400;
/** After the storm, for all work to end, in seconds. */
const CALM_SECONDS = 240;

export interface StormOptions {
  readonly lab: StormLab;
  readonly strikes: readonly Strike[];
  readonly seconds: number;
  /** What each kind of work ends with. */
  readonly expected: ReadonlyMap<KindOfWork, string>;
  readonly story: Story;
  readonly signal: AbortSignal;
}

export class Storm {
  readonly #options: StormOptions;
  readonly #disturbances = new Disturbances();
  readonly #blows: Blows;
  readonly #orders: Orders;
  readonly #hostOrders: HostOrders;
  readonly #heads: HeadRules;
  readonly #trainers: TrainerRules;
  /** Ends what lasts, before its time as well. */
  readonly #lasting = new Set<() => Promise<void>>();
  /** The current piece of each kind. */
  readonly #pieces = new Map<KindOfWork, Piece>();
  readonly #errands = new Set<Promise<unknown>>();
  #diskWasFull = false;
  #isCalm = false;
  /** Pieces that have ended as they should. */
  completed = 0;

  constructor(options: StormOptions) {
    const { lab } = options;
    this.#options = options;
    this.#blows = new Blows(lab, this.#disturbances);
    this.#orders = new Orders(lab.stack.client, this.#disturbances);
    this.#hostOrders = new HostOrders(lab.stack.client, this.#disturbances);
    this.#heads = new HeadRules(objectsIn(join(lab.directory, 's3', 'objects', lab.stack.s3.bucket)));
    this.#trainers = new TrainerRules(this.#disturbances);
  }

  /** Returns when all work has ended, or has had its time. */
  async run(): Promise<void> {
    const { story, signal } = this.#options;
    try {
      await Promise.all([
        this.#strikes(),
        this.#repeat(() => this.#look()),
        this.#repeat(() => this.#work()),
        this.#repeat(() => this.#hostOrders.undo(this.#isCalm)),
      ]);
    } finally {
      for (const end of [...this.#lasting]) await end();
    }
    await Promise.all(this.#errands);
    signal.throwIfAborted();
    story.note('all work has ended');
  }

  /** In time whatever else waits for a frozen server. */
  async #strikes(): Promise<void> {
    const { story, strikes, seconds, signal } = this.#options;
    for (const strike of strikes) {
      await delay(Math.max(0, (strike.at - story.seconds) * 1000), undefined, { signal });
      if (story.violations.length > 0) return;
      await this.#strike(strike);
    }
    await delay(Math.max(0, (seconds - story.seconds) * 1000), undefined, { signal });
    for (const end of [...this.#lasting]) await end();
    this.#isCalm = true;
    story.note('the storm has passed');
  }

  async #repeat(step: () => Promise<void>): Promise<void> {
    const { story, seconds, signal } = this.#options;
    while (story.violations.length === 0 && !(this.#isCalm && this.#pieces.size === 0)) {
      await step();
      if (story.seconds > seconds + CALM_SECONDS)
        for (const { id } of this.#pieces.values())
          story.violate({
            rule: 'every run ends',
            text: `${id} still runs ${CALM_SECONDS} s after the storm`,
          });
      await delay(LOOK_EVERY_MS, undefined, { signal });
    }
  }

  async #strike(strike: Strike | undefined): Promise<void> {
    if (strike === undefined) return;
    const { story } = this.#options;
    const { blow, number } = strike;
    const said = this.#say(strike);
    if (said !== undefined) {
      this.#errand(async () => {
        story.note(await said, number);
      });
      return;
    }
    if (blow.kind === 'pool lost') this.#hostOrders.poolLost();
    const struck = await this.#blows.strike(strike);
    if (struck === undefined) return;
    if (blow.kind === 'disk full') this.#diskWasFull = true;
    story.note(struck.text, number);
    if (struck.lasting !== undefined) this.#endLater(struck.lasting);
  }

  #endLater({ seconds, end }: Lasting): void {
    const once = async () => {
      clearTimeout(timer);
      if (this.#lasting.delete(once)) await end();
    };
    const timer = setTimeout(() => this.#errand(once), seconds * 1000);
    this.#lasting.add(once);
  }

  /** Not awaited: an answer may take as long as an outage. */
  #errand(work: () => Promise<unknown>): void {
    const errand = work().catch(() => undefined);
    this.#errands.add(errand);
    void errand.then(() => this.#errands.delete(errand));
  }

  /** What came of an order or a message; undefined for blows that nothing answers. */
  #say({ blow, pick }: Strike): Promise<string> | undefined {
    const runs = [...this.#pieces.values()].filter(({ kind }) => kind !== 'sweeps');
    if (blow.kind === 'order') {
      const run = runs[Math.floor(pick * runs.length)];
      if (run === undefined) return Promise.resolve('no run to order');
      return this.#orders.give(run.id, blow.order, blow.seconds);
    }
    if (blow.kind === 'host order') {
      const { hosts } = this.#options.lab.stack;
      const host = hosts[Math.floor(pick * hosts.length)];
      return host && this.#hostOrders.give(host.name, blow.order, blow.seconds);
    }
    return blow.kind === 'bad message' ? this.#badMessage(runs, pick) : undefined;
  }

  #badMessage(runs: readonly Piece[], pick: number): Promise<string> {
    const stages = runs.flatMap(({ id }) => ALL_STAGES.map((stage) => stageWorkflowId(id, stage)));
    return sendBadMessage(this.#options.lab.stack.client, stages, pick);
  }

  async #look(): Promise<void> {
    const { story, lab } = this.#options;
    const trainers = this.#blows.trainers();
    const found = [
      ...(await this.#heads.check()),
      ...this.#trainers.check(trainers),
      ...(await this.#orders.check(trainers, this.#isCalm)),
    ];
    const askedAt = performance.now();
    const pool = lab.stack.client.workflow.getHandle(poolWorkflowId('default'));
    const view = await inTime(pool.query(poolQuery)).catch(() => undefined);
    if (view !== undefined) found.push(...checkLeases(view), ...this.#hostOrders.check(view, askedAt));
    for (const violation of found) story.violate(violation);
  }

  /** Looks at each piece; a new one takes the place of one that has ended. */
  async #work(): Promise<void> {
    for (const kind of KINDS_OF_WORK) {
      const piece = this.#pieces.get(kind);
      if (piece !== undefined) await this.#lookAtPiece(piece);
      else if (!this.#isCalm) await this.#begin({ kind, id: `storm-${kind}-1` });
    }
  }

  async #begin(piece: Piece): Promise<void> {
    const begun = await startPiece(this.#options.lab.stack.client, piece, 'storm').then(
      () => true,
      () => false,
    );
    if (!begun) return;
    this.#pieces.set(piece.kind, piece);
    this.#options.story.note(`${piece.id} is started`);
  }

  async #lookAtPiece(piece: Piece): Promise<void> {
    const { lab, story, expected } = this.#options;
    const end = await endOf(lab.stack.client, piece);
    if (end.kind === 'running') return;
    if (end.kind === 'failed') {
      // A full disk stops a run, by name; a person frees the disk and starts it again.
      const isOfDisk = this.#diskWasFull && /^FAILED: DiskFull\b/.test(end.why);
      if (!isOfDisk) story.violate({ rule: 'every run completes', text: `${piece.id}: ${end.why}` });
      story.note(`${piece.id} failed: ${end.why}`);
      this.#orders.forget(piece.id);
      return this.#begin(piece);
    }
    if (end.outcome !== expected.get(piece.kind))
      story.violate({
        rule: 'same bytes',
        text: `${piece.id} ended with ${end.outcome}, undisturbed with ${expected.get(piece.kind)}`,
      });
    else this.completed += 1;
    story.note(`${piece.id} has ended`);
    this.#pieces.delete(piece.kind);
    const next = Number(piece.id.split('-').at(-1)) + 1;
    if (!this.#isCalm) await this.#begin({ kind: piece.kind, id: `storm-${piece.kind}-${next}` });
  }
}

/** Of this storm's hosts, when all is stopped. */
export async function leftRunning({ directory }: Pick<StormLab, 'directory'>): Promise<readonly string[]> {
  return [...(await livingTrainers()).keys()].filter((folder) => folder.startsWith(directory));
}
