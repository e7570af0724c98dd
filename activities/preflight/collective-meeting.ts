/** @module Hosts of a gang find out whether they reach each other: each listens for a moment, and each calls on all others. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import getPort from 'get-port';
import { z } from 'zod';
import type { MeetingPorts, MetHost } from '../../contracts/health.ts';
import { MOST_CLOCK_OFFSET_MS } from './clock-offset.ts';
import { listeningAddress } from './listening-address.ts';
import { messageOf } from '../../contracts/error-message.ts';

/** The slowest of the gang may still be multiplying matrices. */
const OPEN_MS = 10 * 60 * 1000;
const CALL_LIMIT_MS = 10_000;

const helloSchema = z.object({ host: z.string(), at: z.number() });

/** Who has connected says the challenge within so long, or is cut off. */
const CHALLENGE_LIMIT_MS = 5000;
const MOST_CALLERS = 1000;

/**
 * Opens both ports, on the address at which others reach this host. The one that says hello does so only to who knows the
 * challenge, which the gang's hosts hear from the stage; it closes by itself, and keeps no process from ending.
 *
 * @param address GLEE_ADDRESS. @default loopback alone
 */
export async function openMeeting(
  host: string,
  address = '127.0.0.1',
  openMs = OPEN_MS,
): Promise<MeetingPorts> {
  const challenge = randomBytes(16).toString('hex');
  const server = createServer((socket) => answer(socket, challenge, host));
  server.maxConnections = MOST_CALLERS;
  server.unref();
  server.listen(0, await listeningAddress(address));
  await once(server, 'listening');
  setTimeout(() => server.close(), openMs).unref();
  const opened = server.address();
  if (opened === null || typeof opened === 'string') throw new Error('the port that was opened is not known');
  return { hello: opened.port, ranks: await getPort(), challenge };
}

function answer(socket: Socket, challenge: string, host: string): void {
  let heard = '';
  socket.setEncoding('utf8');
  socket.on('error', () => undefined);
  // However slowly it speaks.
  const limit = setTimeout(() => socket.destroy(), CHALLENGE_LIMIT_MS);
  limit.unref();
  socket.on('close', () => clearTimeout(limit));
  socket.on('data', (piece: string) => {
    heard += piece;
    if (heard === `${challenge}\n`) socket.end(JSON.stringify({ host, at: Date.now() }));
    else if (heard.length > challenge.length) socket.destroy();
  });
}

export interface Call {
  readonly host: string;
  /** Undefined where it was reached, and its clock is close. */
  readonly problem?: string;
  /** Its clock less this host's, milliseconds. */
  readonly clockOffsetMs?: number;
}

export async function callOn({ name, address, ports }: MetHost, limitMs = CALL_LIMIT_MS): Promise<Call> {
  const at = `${address}:${ports.hello}`;
  const broken = (problem: string): Call => ({ host: name, problem });
  try {
    const asked = Date.now();
    const hello = helloSchema.parse(JSON.parse(await ask(address, ports, limitMs)));
    const clockOffsetMs = Math.round(hello.at - (asked + Date.now()) / 2);
    if (hello.host !== name) return broken(`at ${at}, for ${name}, answers ${hello.host}: mend GLEE_ADDRESS`);
    if (Math.abs(clockOffsetMs) > MOST_CLOCK_OFFSET_MS)
      return broken(`the clock of ${name} is ${Math.round(clockOffsetMs / 1000)} s away`);
    return { host: name, clockOffsetMs };
  } catch (error) {
    return broken(
      `does not reach ${name} at ${at} (${messageOf(error)}): mend its GLEE_ADDRESS, or the firewall between them`,
    );
  }
}

async function ask(
  host: string,
  { hello: port, challenge = '' }: MeetingPorts,
  limitMs: number,
): Promise<string> {
  const socket = connect({ host, port });
  socket.setEncoding('utf8');
  let said = '';
  socket.on('data', (piece: string) => (said = `${said}${piece}`.slice(0, 1000)));
  socket.on('connect', () => socket.write(`${challenge}\n`));
  const limit = AbortSignal.timeout(limitMs);
  try {
    await once(socket, 'end', { signal: limit });
    return said;
  } catch (error) {
    if (!limit.aborted) throw error;
    throw new Error(`no answer within ${limitMs / 1000} s`, { cause: error });
  } finally {
    socket.destroy();
  }
}
