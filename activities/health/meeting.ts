/** @module Hosts of a gang find out whether they reach each other: each listens for a moment, and each calls on all others. */
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import getPort from 'get-port';
import { z } from 'zod';
import type { MeetingPorts, MetHost } from '../../contracts/health.ts';
import { MOST_CLOCK_OFFSET_MS } from './clock.ts';
import { reasonOf } from './finding.ts';

/** The slowest of the gang may still be multiplying matrices. */
const OPEN_MS = 10 * 60 * 1000;
const CALL_LIMIT_MS = 10_000;

const helloSchema = z.object({ host: z.string(), at: z.number() });

/** Opens both ports. The one that says hello closes by itself, and keeps no process from ending. */
export async function openMeeting(host: string, openMs = OPEN_MS): Promise<MeetingPorts> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.end(JSON.stringify({ host, at: Date.now() }));
  });
  server.unref();
  server.listen(0);
  await once(server, 'listening');
  setTimeout(() => server.close(), openMs).unref();
  const address = server.address();
  if (address === null || typeof address === 'string')
    throw new Error('the port that was opened is not known');
  return { hello: address.port, ranks: await getPort() };
}

export interface Call {
  readonly host: string;
  /** Undefined where it was reached, and its clock is close. */
  readonly problem?: string;
  /** Its clock less this host's, milliseconds. */
  readonly clockOffsetMs?: number;
}

export async function callOn({ name, address, ports }: MetHost, limitMs = CALL_LIMIT_MS): Promise<Call> {
  const at = `${address}:${String(ports.hello)}`;
  const broken = (problem: string): Call => ({ host: name, problem });
  try {
    const asked = Date.now();
    const hello = helloSchema.parse(JSON.parse(await listen(address, ports.hello, limitMs)));
    const clockOffsetMs = Math.round(hello.at - (asked + Date.now()) / 2);
    if (hello.host !== name) return broken(`at ${at}, for ${name}, answers ${hello.host}: mend GLEE_ADDRESS`);
    if (Math.abs(clockOffsetMs) > MOST_CLOCK_OFFSET_MS)
      return broken(`the clock of ${name} is ${String(Math.round(clockOffsetMs / 1000))} s away`);
    return { host: name, clockOffsetMs };
  } catch (error) {
    return broken(
      `does not reach ${name} at ${at} (${reasonOf(error)}): mend its GLEE_ADDRESS, or the firewall between them`,
    );
  }
}

async function listen(host: string, port: number, limitMs: number): Promise<string> {
  const socket = connect({ host, port });
  socket.setEncoding('utf8');
  let said = '';
  socket.on('data', (piece: string) => (said = `${said}${piece}`.slice(0, 1000)));
  const limit = AbortSignal.timeout(limitMs);
  try {
    await once(socket, 'end', { signal: limit });
    return said;
  } catch (error) {
    if (!limit.aborted) throw error;
    throw new Error(`no answer within ${String(limitMs / 1000)} s`, { cause: error });
  } finally {
    socket.destroy();
  }
}
