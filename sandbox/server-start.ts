/** @module What both servers need to start: a free port, and the time until they answer. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import getPort from 'get-port';
import type { KeptProcess } from './keep-alive.ts';
import { logTail } from './log-tail.ts';
import { HERE, type Place } from './place.ts';

const READY_DEADLINE_MS = 60_000;
const PROBE_INTERVAL_MS = 20;

/**
 * Below the range from which the kernel draws outgoing connections' ports: while a killed server is away, a client
 * that reconnects to it must not be given the server's own port, which would keep it from coming back.
 */
export async function freePort(): Promise<number> {
  const candidates = Array.from({ length: 100 }, () => 20_000 + Math.floor(Math.random() * 12_000));
  return getPort({ port: candidates, host: HERE.address });
}

/**
 * Waits until the port is open and the probe succeeds.
 * @throws when the server is given up, when a minute has passed, or when the signal aborts; it is stopped then.
 */
export async function untilReady(
  server: KeptProcess,
  { place, port }: { readonly place: Place; readonly port: number },
  probe: () => Promise<void>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const deadline = performance.now() + READY_DEADLINE_MS;
  try {
    for (;;) {
      const failure = await failureOf(async () => {
        await openAndClose(place.address, port);
        await probe();
      });
      if (failure === undefined) return;
      if (server.gaveUp) throw server.gaveUp;
      if (performance.now() > deadline) {
        const seconds = READY_DEADLINE_MS / 1000;
        const message = `${server.name} does not answer after ${seconds} s; ${await logTail(server.logFile)}`;
        throw new Error(message, { cause: failure });
      }
      await sleep(PROBE_INTERVAL_MS, undefined, { signal });
    }
  } catch (error) {
    await server.stop();
    throw error;
  }
}

async function failureOf(attempt: () => Promise<void>): Promise<unknown> {
  try {
    await attempt();
    return undefined;
  } catch (error) {
    return error;
  }
}

/** Much quicker to refuse than a gRPC connection, which waits a second before it tries again. */
async function openAndClose(address: string, port: number): Promise<void> {
  const socket = connect(port, address);
  try {
    await once(socket, 'connect');
  } finally {
    socket.destroy();
  }
}
