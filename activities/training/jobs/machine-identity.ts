/**
 * @module Which machine a GPU worker runs on. Two workers with one host name, or one scratch folder that two machines
 * share, are told apart by it.
 */
import { createHash } from 'node:crypto';
import { readFile, readlink, stat } from 'node:fs/promises';

export interface MachineIdentity {
  /**
   * The same for two workers exactly when each sees the other's processes and both use the same scratch folder. 32 hex
   * digits; another after a reboot, and in another container.
   */
  readonly place: string;
  /** Of this boot of the kernel. With the same `machine` and another boot, processes of that boot are gone for sure. */
  readonly boot: string;
  /** From `/etc/machine-id`: survives a reboot. Clones of one disk image may share it. Empty where there is none. */
  readonly machine: string;
}

/** @param scratch An existing folder. */
export async function machineIdentity(scratch: string): Promise<MachineIdentity> {
  const [boot, namespace, machine, { dev, ino }] = await Promise.all([
    readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
    readlink('/proc/self/ns/pid'),
    readFile('/etc/machine-id', 'utf8').catch(() => ''),
    stat(scratch),
  ]);
  const seen = [boot.trim(), namespace, String(dev), String(ino)].join('\n');
  const place = createHash('sha256').update(seen).digest('hex').slice(0, 32);
  return { place, boot: boot.trim(), machine: machine.trim() };
}
