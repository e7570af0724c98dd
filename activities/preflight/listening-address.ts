/** @module Where a host listens for the others of its gang: at the address they call it by, and nowhere else. */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { isLoopback } from '../../planning/environment/loopback.ts';

/**
 * The address of this machine that GLEE_ADDRESS stands for. Undefined, which is all of them, where that cannot be told: a
 * name that this machine takes for its loopback address (as Debian has it) means another one to others, and behind an
 * address translation the address is none of this machine's.
 */
export async function listeningAddress(address: string): Promise<string | undefined> {
  const bare = address.replace(/^\[(.*)\]$/, '$1');
  if (isIP(bare) !== 0) return isOwn(bare) ? bare : undefined;
  const found = await lookup(bare, { all: true }).catch(() => []);
  const own = found.map((one) => one.address).filter(isOwn);
  return isLoopback(bare) ? own[0] : own.find((one) => !isLoopback(one));
}

function isOwn(address: string): boolean {
  if (isLoopback(address)) return true;
  const [withoutZone] = address.split('%');
  return Object.values(networkInterfaces()).some((all) => all?.some((one) => one.address === withoutZone));
}
