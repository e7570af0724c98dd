/** @module `glee pool show`. */
import { setTimeout as delay } from 'node:timers/promises';
import { createLogUpdate } from 'log-update';
import { poolWorkflowId } from '../../contracts/ids.ts';
import { poolQuery } from '../../workflows/base/messages.ts';
import { withClient } from '../shared/client.ts';
import { print, renderText, type OutputOptions } from '../shared/output.ts';
import { accepted } from './orders.ts';
import { renderPool } from './render.ts';

const REFRESH_MS = 2000;

export interface ShowOptions extends OutputOptions {
  readonly watch?: boolean;
}

export async function show(pool: string, options: ShowOptions): Promise<void> {
  await withClient(async (client) => {
    const look = () => accepted(pool, () => client.workflow.getHandle(poolWorkflowId(pool)).query(poolQuery));
    const draw = createLogUpdate(process.stdout);
    while (options.watch === true && options.json !== true && process.stdout.isTTY) {
      draw(renderText(await look(), (view) => renderPool(pool, view, Date.now())));
      await delay(REFRESH_MS);
    }
    print(await look(), options, (view) => renderPool(pool, view, Date.now()));
  });
}
