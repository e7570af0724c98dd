/** @module Addresses of this machine alone. No proxy is asked for them, whatever *_proxy says: none could reach them. */
import { isIPv4 } from 'node:net';

/** @param address Host, or host and port, as `127.0.0.1:7233`, `localhost` or `[::1]:80`. */
export function isLoopback(address: string): boolean {
  const host = hostOf(address).toLowerCase().replace(/\.$/, '');
  if (host === 'localhost' || host.endsWith('.localhost') || host === '::1') return true;
  const mapped = host.replace(/^::ffff:/, '');
  return isIPv4(mapped) && mapped.startsWith('127.');
}

function hostOf(address: string): string {
  const [, bracketed] = /^\[([^\]]*)\](?::\d+)?$/.exec(address) ?? [];
  if (bracketed !== undefined) return bracketed;
  // More than one ':' and no brackets: a literal IPv6 address without a port.
  return address.split(':').length > 2 ? address : (address.split(':')[0] ?? address);
}
