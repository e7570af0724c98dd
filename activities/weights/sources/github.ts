/** @module GitHub's release assets, whose SHA-256 its API states for all that were uploaded since mid-2025. */
import { z } from 'zod';
import { decoded } from './source.ts';
import { bodyOf, type Web } from './web.ts';

export interface GitHub {
  readonly site: string;
  readonly api: string;
}

export const GITHUB: GitHub = { site: 'https://github.com', api: 'https://api.github.com' };

const ASSET = /^\/([^/]+)\/([^/]+)\/releases\/(?:download\/([^/]+)|(latest)\/download)\/([^/]+)$/;
const MOST_BYTES = 8 << 20;

const releaseSchema = z.object({
  assets: z.array(z.object({ name: z.string(), digest: z.string().nullish() })),
});

/** Where the API describes the release that an asset's address is of; undefined for every other address. */
export function releaseOf(
  github: GitHub,
  url: URL,
): { readonly url: URL; readonly asset: string } | undefined {
  const [, owner, repository, tag, latest, asset] = ASSET.exec(url.pathname) ?? [];
  if (url.origin !== new URL(github.site).origin || owner === undefined || repository === undefined)
    return undefined;
  if (asset === undefined) return undefined;
  const release = latest ?? `tags/${tag ?? ''}`;
  const api = new URL(`${github.api}/repos/${owner}/${repository}/releases/${release}`);
  return { url: api, asset: decoded(asset) };
}

/** Undefined also where the API cannot be reached or has had enough of us: then there is no proof of GitHub's. */
export async function publishedDigest(
  web: Web,
  release: { readonly url: URL; readonly asset: string },
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const headers = { accept: 'application/vnd.github+json' };
    const answer = await web.request(release.url, { method: 'GET', headers }, signal);
    const chunks: Uint8Array[] = [];
    let sizeBytes = 0;
    for await (const chunk of bodyOf(answer, signal)) {
      chunks.push(chunk);
      sizeBytes += chunk.length;
      if (sizeBytes > MOST_BYTES) return undefined;
    }
    if (answer.status !== 200) return undefined;
    const { assets } = releaseSchema.parse(JSON.parse(Buffer.concat(chunks).toString()));
    const digest = assets.find(({ name }) => name === release.asset)?.digest;
    return /^sha256:([0-9a-f]{64})$/i.exec(digest ?? '')?.[1]?.toLowerCase();
  } catch (error) {
    if (signal.aborted) throw error;
    return undefined;
  }
}
