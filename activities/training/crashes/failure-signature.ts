/** @module What two failures of the same cause have in common. */
import type { Statement } from './crash-log.ts';

const MAX_CHARACTERS = 300;

/** The exception and where it was raised, without what differs from one attempt or host to the next. */
export function signatureOf(raised: Statement | undefined): { readonly signature?: string } {
  if (raised === undefined || raised.kind === 'line') return {};
  const line = raised.text
    .slice(0, MAX_CHARACTERS)
    .replaceAll(/\/(?:tmp|var\/tmp|dev\/shm)\/[^\s'"]+/g, '/tmp/#')
    .replaceAll(/\b0x[0-9a-f]+\b/gi, '#')
    .replaceAll(/\b(?=[a-z]*\d)[0-9a-f]{8,}\b/gi, '#')
    .replaceAll(/\d+/g, '#')
    .replaceAll(/[\w.-]+:#/g, '#:#');
  return { signature: raised.frame === undefined ? line : `${line} (${raised.frame})` };
}
