/**
 * @module `glee status`: what a run is doing, and what has happened to it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { createLogUpdate } from 'log-update';
import { withClient } from '../shared/client.ts';
import { UserError } from '../shared/errors.ts';
import { observeRun, type RunSnapshot } from '../shared/observe-run.ts';
import { print, renderText, type OutputOptions } from '../shared/output.ts';
import { printableJson } from '../shared/printable.ts';
import { renderRun } from './render.ts';
import type { Client } from '@temporalio/client';

const REFRESH_MS = 1000;

export interface StatusOptions extends OutputOptions {
  readonly watch?: boolean;
}

export async function status(run: string, options: StatusOptions): Promise<void> {
  await withClient(async (client) => {
    const snapshot = options.watch === true ? await watch(client, run, options) : await look(client, run);
    print(snapshot, options, renderRun);
    if (snapshot.status === 'FAILED' || snapshot.status === 'TERMINATED') process.exitCode = 1;
  });
}

/** Redraws on a terminal; elsewhere prints a snapshot whenever something changed. Returns the last one when the run has ended. */
async function watch(client: Client, run: string, options: OutputOptions): Promise<RunSnapshot> {
  const draw = createLogUpdate(process.stdout);
  let last = '';
  for (;;) {
    const snapshot = await look(client, run);
    if (snapshot.status !== 'RUNNING') {
      if (process.stdout.isTTY) draw.clear();
      return snapshot;
    }
    const text =
      options.json === true ? printableJson(JSON.stringify(snapshot)) : renderText(snapshot, renderRun);
    if (process.stdout.isTTY && options.json !== true) draw(text);
    else if (text !== last) console.log(text);
    last = text;
    await delay(REFRESH_MS);
  }
}

async function look(client: Client, run: string): Promise<RunSnapshot> {
  const snapshot = await observeRun(client, run);
  if (snapshot === undefined)
    throw new UserError(`there is no run '${run}': 'glee list' shows those that there are`);
  return snapshot;
}
