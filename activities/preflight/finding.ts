/** @module What one check of a host finds, and how it is made: within its time, and failed by name where it cannot be. */
import type { HostCheck } from '../../contracts/health.ts';
import { messageOf } from '../../contracts/error-message.ts';

export type Finding = Omit<HostCheck, 'name'>;

export function passed(said: string): Finding {
  return { outcome: 'passed', said };
}

export function skipped(said: string): Finding {
  return { outcome: 'skipped', said };
}

/** The host is unfit for this stage; the next one may find it fit. */
export function failed(said: string): Finding {
  return { outcome: 'failed', said };
}

/** The host is unfit for whatever it would train. */
export function faulty(said: string): Finding {
  return { outcome: 'failed', said, hostFault: true };
}

export interface Check<T = Finding> {
  readonly name: string;
  /** Milliseconds. */
  readonly limitMs: number;
  /** A check that hangs or goes wrong says that the host is broken, whatever it trains. */
  readonly hostFault?: boolean;
  readonly make: (signal: AbortSignal) => Promise<T>;
}

export async function runCheck(check: Check, ending: AbortSignal): Promise<HostCheck> {
  const result = await attemptCheck(check, ending);
  return 'made' in result ? { name: check.name, ...result.made } : result.inconclusive;
}

/** Never rejects but when the activity itself is to end; a check that hangs is left behind. */
export async function attemptCheck<T>(
  { name, limitMs, hostFault, make }: Check<T>,
  ending: AbortSignal,
): Promise<{ readonly made: T } | { readonly inconclusive: HostCheck }> {
  const inconclusive = (said: string) => ({
    inconclusive: { name, ...(hostFault === true ? faulty(said) : failed(said)), inconclusive: true },
  });
  const limit = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<ReturnType<typeof inconclusive>>((resolve) => {
    timer = setTimeout(() => {
      resolve(inconclusive(`no answer within ${limitMs / 1000} s`));
      limit.abort();
    }, limitMs);
  });
  const checking = make(AbortSignal.any([limit.signal, ending])).then(
    (made) => ({ made }),
    (error: unknown) => inconclusive(`could not be checked: ${messageOf(error)}`),
  );
  try {
    return await Promise.race([checking, late]);
  } finally {
    clearTimeout(timer);
    ending.throwIfAborted();
  }
}
