/**
 * @module Which hosts a download may reach: those of the internet, and the private ones that the operator has named. A
 * catalogue, or a redirect of someone else's server, must not have this machine read its own network's services.
 */
import { lookup as resolve, type LookupAddress, type LookupOptions } from 'node:dns';
import { BlockList, isIP } from 'node:net';
import { FetchError } from './fetch-error.ts';

/** IANA's special-purpose registry, and multicast. Addresses of IPv6 that hold one of IPv4 are compared as that. */
const SPECIAL_IPV4 = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12'],
  ...['192.0.0.0/24', '192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15'],
  ...['198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4'],
];
/** Of IPv6 only global unicast is public, and of that not Teredo, documentation and 6to4. */
const GLOBAL_IPV6 = '2000::/3';
const SPECIAL_IPV6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'];

const special = blockList(SPECIAL_IPV4, SPECIAL_IPV6);
const globalIpv6 = blockList([], [GLOBAL_IPV6]);

/** Whether an IP address is one of the internet's. */
export function isPublicAddress(address: string): boolean {
  const bare = address.replace(/%.*$/, '');
  if (isIP(bare) === 4) return !special.check(bare, 'ipv4');
  return isIP(bare) === 6 && globalIpv6.check(bare, 'ipv6') && !special.check(bare, 'ipv6');
}

export interface AddressGuard {
  /** @throws FetchError `unauthorized` for an address that can be told without a name server. */
  mustAllow(url: URL): void;
  /** For `net.connect`: what a name means at that moment, so that it cannot mean something else a moment later. */
  readonly lookup: (hostname: string, options: LookupOptions, callback: LookupCallback) => void;
}

type LookupCallback = (error: Error | null, address: string | LookupAddress[], family?: number) => void;

/** @param privateHosts Names and addresses that are allowed wherever they are. */
export function createAddressGuard(privateHosts: readonly string[]): AddressGuard {
  const allowed = new Set(privateHosts.map(bareHost));
  const isAllowed = (host: string, address: string) =>
    isPublicAddress(address) || allowed.has(bareHost(host)) || allowed.has(address);
  return {
    mustAllow({ hostname }) {
      const host = bareHost(hostname);
      const isLocal = host === 'localhost' || host.endsWith('.localhost');
      if (isIP(host) === 0 ? isLocal && !allowed.has(host) : !isAllowed(host, host)) throw refused(host);
    },
    lookup(hostname, options, callback) {
      resolve(hostname, { ...options, all: true }, (error, addresses) => {
        const [first] = error === null ? addresses : [];
        if (error !== null) callback(error, []);
        else if (first === undefined || !addresses.every(({ address }) => isAllowed(hostname, address)))
          callback(refused(hostname), []);
        else if (options.all === true) callback(null, addresses);
        else callback(null, first.address, first.family);
      });
    },
  };
}

function refused(host: string): FetchError {
  return new FetchError(
    'unauthorized',
    `${host} has an address of a private network: if weights are to come from there, add it to GLEE_ALLOW_PRIVATE_SOURCES of the control workers`,
  );
}

function bareHost(host: string): string {
  return host
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '');
}

function blockList(ipv4: readonly string[], ipv6: readonly string[]): BlockList {
  const list = new BlockList();
  for (const [ranges, family] of [[ipv4, 'ipv4'] as const, [ipv6, 'ipv6'] as const]) {
    for (const range of ranges) {
      const [network = '', bits = ''] = range.split('/');
      list.addSubnet(network, Number(bits), family);
    }
  }
  return list;
}
