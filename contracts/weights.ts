/**
 * @module Artifacts: named weights files, how each is had, and what is known of it once it lies in S3.
 */

/** A weights file in S3. */
export interface WeightsFile {
  /** Of the catalogue, as `swin-large`; or `<run>/<stage>` of what a run has trained. */
  readonly name: string;
  readonly bucket: string;
  /** Full key. */
  readonly key: string;
  readonly sha256: string;
  readonly sizeBytes: number;
}

/** How an artifact is had. */
export type Recipe =
  | {
      readonly how: 'download';
      /** `https://…`, `hf://…`, `s3://…` or `file:///…`: the same file, the first that answers. No secrets in them. */
      readonly sources: readonly string[];
      readonly sha256?: string;
      readonly sizeBytes?: number;
      /** A person vouches for the file with this sha256: its pickles may call anything. */
      readonly trusted?: true;
    }
  | {
      /** What GLEE's convert_eva02.py does: drop some tensors, rename the others. */
      readonly how: 'convert';
      readonly from: string;
      /** Tensors whose names contain one of these are left out. */
      readonly drop: readonly string[];
      /** Put before the names of the others. */
      readonly prefix: string;
    }
  | {
      /** One checkpoint's tensors except below a prefix, and another's there. */
      readonly how: 'merge';
      readonly base: string;
      /** Tensors of `base` whose names begin so are left out. */
      readonly except: string;
      readonly from: string;
      /** Tensors of `from` whose names begin so are taken; '' for all. */
      readonly under: string;
      /** What that beginning becomes. */
      readonly as: string;
    }
  | {
      /** The final weights of a stage of some run. */
      readonly how: 'trained';
      readonly run: string;
      readonly stage: string;
    };

/** An artifact of the catalogue. */
export interface ArtifactPlan {
  readonly name: string;
  /** Where GLEE expects it, relative to the checkout's root. */
  readonly path: string;
  readonly recipe: Recipe;
}

/** Names of the artifacts that this one is made from. */
export function ingredients({ recipe }: ArtifactPlan): readonly string[] {
  switch (recipe.how) {
    case 'convert':
      return [recipe.from];
    case 'merge':
      return [recipe.base, recipe.from];
    case 'download':
    case 'trained':
      return [];
  }
}

/** How it is had, in words. */
export function describeRecipe({ recipe }: ArtifactPlan): string {
  switch (recipe.how) {
    case 'download':
      return `download ${recipe.sources.join(' or ')}`;
    case 'convert':
      return `convert ${recipe.from}`;
    case 'merge':
      return `merge ${recipe.base} with ${recipe.from}`;
    case 'trained':
      return `what ${recipe.run}/${recipe.stage} trained`;
  }
}

/**
 * Why the bytes are believed to be the right ones: the catalogue's checksum, the one that the source publishes, the
 * one of the first download ever after, or that they were made here from proven files.
 */
export const PROOFS = ['catalogue', 'published', 'pinned', 'made'] as const;
export type Proof = (typeof PROOFS)[number];

/** An artifact that S3 holds, read back and hashed there. */
export interface PreparedArtifact extends WeightsFile {
  readonly proof: Proof;
  /** Where the bytes come from, for people. */
  readonly origin: string;
  /** True when an earlier run had brought it. */
  readonly reused: boolean;
}

/** A file that hosts need at GLEE's own path, besides the initial weights. */
export interface NeededArtifact {
  readonly artifact: string;
  /** Relative to the checkout's root. */
  readonly path: string;
}

/** The same once it is prepared: what to put where. */
export interface PlacedFile {
  readonly path: string;
  readonly file: WeightsFile;
}

/** Live progress: heartbeat details of the activities that fetch and make artifacts. */
export interface WeightsProgress {
  readonly artifact: string;
  readonly phase: 'checking' | 'downloading' | 'verifying' | 'converting' | 'merging';
  readonly doneBytes: number;
  readonly totalBytes?: number;
  readonly bytesPerSecond?: number;
  readonly etaSeconds?: number;
  /** What it waits for, in words. */
  readonly note?: string;
}

export interface PrepareWeightsInput {
  /** All that is wanted and all that it is made from. */
  readonly artifacts: readonly ArtifactPlan[];
}

export interface PrepareArtifactInput {
  readonly artifact: ArtifactPlan;
  /** What it is made from, prepared. */
  readonly ingredients: readonly PreparedArtifact[];
}

export type ArtifactStatus =
  | { readonly name: string; readonly status: 'waiting' }
  | { readonly name: string; readonly status: 'preparing'; readonly workflowId: string }
  | { readonly name: string; readonly status: 'ready'; readonly artifact: PreparedArtifact };

/** What the `state` query of `prepareWeights` answers. */
export interface WeightsState {
  readonly artifacts: readonly ArtifactStatus[];
}
