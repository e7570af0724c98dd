/**
 * @module Hugging Face: `resolve` addresses, which redirect large files to another origin and state, on the redirect
 * itself, the SHA-256 that Git LFS knows the file by (X-Linked-Etag, X-Linked-Size).
 */
import type { Source } from './parse-source.ts';
import type { Published, WebFile } from './web-file.ts';
import { shown, type Answer } from './web.ts';

export interface HuggingFace {
  /** `https://huggingface.co`, or a mirror of it. */
  readonly endpoint: string;
  /** Sent to the endpoint's own origin only. */
  readonly token?: string | undefined;
}

export function resolveUrl(
  { endpoint }: HuggingFace,
  { repository, revision, path }: Extract<Source, { kind: 'huggingFace' }>,
): URL {
  const encoded = path.split('/').map(encodeURIComponent).join('/');
  return new URL(
    `${endpoint.replace(/\/+$/, '')}/${repository}/resolve/${encodeURIComponent(revision)}/${encoded}`,
  );
}

export function isHuggingFace({ endpoint }: HuggingFace, { origin }: URL): boolean {
  return origin === new URL(endpoint).origin;
}

/** @param address As the catalogue has it, where that is not the URL. */
export function huggingFaceFile(huggingFace: HuggingFace, url: URL, address = shown(url)): WebFile {
  const { token } = huggingFace;
  return {
    url,
    address,
    authorization: (to) =>
      token !== undefined && isHuggingFace(huggingFace, to) ? `Bearer ${token}` : undefined,
    hint:
      token === undefined
        ? 'set HF_TOKEN, and accept the terms on the page of the model if it has some'
        : 'accept the terms on the page of the model with the account of HF_TOKEN, or set another HF_TOKEN',
    published: (answer) => Promise.resolve(linked(huggingFace, answer)),
  };
}

/** Only what the endpoint itself says counts, and only 64 hex digits: files outside LFS have a SHA-1 there. */
function linked(huggingFace: HuggingFace, answer: Answer): Published {
  for (const hop of [...answer.via, answer]) {
    if (!isHuggingFace(huggingFace, hop.url)) continue;
    const sha256 = /^"?([0-9a-f]{64})"?$/i.exec(hop.header('x-linked-etag') ?? '')?.[1];
    if (sha256 === undefined) continue;
    const size = hop.header('x-linked-size');
    const sizeBytes = size !== undefined && /^\d+$/.test(size) ? Number(size) : undefined;
    return { sha256: sha256.toLowerCase(), sizeBytes };
  }
  return {};
}
