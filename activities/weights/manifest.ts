/**
 * @module The manifest of an artifact: written last, it makes the artifact visible, and it pins the checksum that every
 * later download must have.
 */
import { z } from 'zod';
import type { StoredFile } from '../../contracts/checkpoints.ts';
import { PROOFS, type Proof } from '../../contracts/weights.ts';
import { FetchError } from './sources/fetch-error.ts';

export interface ArtifactManifest {
  readonly name: string;
  /** Its key is the full one, with the prefix. */
  readonly file: StoredFile;
  /** Address for people, free of credentials. */
  readonly source: string;
  /** The source's own name for the version; null where it has none. */
  readonly validator: string | null;
  readonly proof: Proof;
  /** SHA-256 over recipe and ingredients, for what was made here: the same need not be made again. */
  readonly inputs?: string;
  /** Its pickles were read, and name nothing but what weights need; absent where a person vouched for it. */
  readonly scanned?: true;
  /** Epoch milliseconds. */
  readonly fetchedAt: number;
}

export const manifestSchema: z.ZodType<ArtifactManifest> = z.object({
  name: z.string(),
  file: z.object({
    key: z.string(),
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
    sizeBytes: z.number().int().min(0),
  }),
  source: z.string(),
  validator: z.string().nullable(),
  proof: z.enum(PROOFS),
  inputs: z.string().exactOptional(),
  scanned: z.literal(true).exactOptional(),
  fetchedAt: z.number(),
});

/** Names below the bucket's prefix. */
export const artifactNames = {
  manifest: (name: string) => `artifacts/${name}.json`,
  folder: (name: string) => `artifacts/${name}/`,
  record: (name: string) => `artifacts/${name}/download.json`,
  file: (name: string, id: string, fileName: string) => `artifacts/${name}/${id}/${fileName}`,
} as const;

/** @throws FetchError `unusableSource` */
export function mustBeArtifactName(name: string): void {
  // A name that ends like a manifest would be a folder where another artifact's manifest is.
  if (/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name) && !name.endsWith('.json')) return;
  throw new FetchError(
    'unusableSource',
    `artifact name '${name}' must be letters, digits, '.', '_' or '-', begin with a letter or digit and not end with .json: it becomes an S3 key`,
  );
}
