/**
 * @module Addresses at which hosts reach each other. They come with messages that anyone with access to the namespace can
 * send, and become part of URLs and of trainers' arguments.
 */

/** A host name, or an IPv4 address. */
const NAME = /^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9])?$/;
/** 2 to 8 groups; '::' and an IPv4 address at the end are left to who connects. */
const IPV6 = /^[0-9A-Fa-f:]+(:\d{1,3}(\.\d{1,3}){3})?$/;
const LONGEST = 253;

/** Why `address` cannot be a host's address, or undefined when it can. */
export function addressProblem(address: string): string | undefined {
  const isIpv6 = () => address.split(':').length > 2 && IPV6.test(address);
  if (address.length <= LONGEST && (NAME.test(address) || isIpv6())) return undefined;
  return `'${address.slice(0, 40)}' is no address: give a host name, an IPv4 or an IPv6 address, without a port`;
}

/** As it stands in a URL before the port: an IPv6 address in brackets. */
export function urlHost(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}

export function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65_535;
}
