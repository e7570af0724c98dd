/** @module Addresses of weights that users write: of a kind that is understood, and without a secret in them. */
import { hasSecret } from '../../contracts/sources.ts';

const LONGEST = 2048;

/** Why `source` cannot be fetched from, or undefined when it can. */
export function sourceProblem(source: string): string | undefined {
  if (source.length > LONGEST) return `an address has more than ${LONGEST} characters`;
  // It would stand in plans, histories and logs.
  if (hasSecret(source)) {
    const where = URL.canParse(source) ? ` on ${new URL(source).host}` : '';
    return `an address${where} has a secret in it: take it out. Tokens for Hugging Face go into HF_TOKEN, keys to S3 into the AWS chain (s3://…)`;
  }
  if (source.startsWith('hf://')) {
    return /^hf:\/\/((spaces|datasets)\/)?[\w.-]+\/[\w.-]+(@[\w./-]+?)?\/[\w./+=-]+$/.test(source)
      ? undefined
      : `'${source}' must be hf://[spaces/|datasets/]owner/repo[@revision]/path/of/the/file`;
  }
  if (source.startsWith('s3://')) {
    return /^s3:\/\/[a-z0-9.-]+\/.+$/.test(source) ? undefined : `'${source}' must be s3://bucket/key`;
  }
  if (source.startsWith('file://')) {
    return source.startsWith('file:///') ? undefined : `'${source}' must be file:///absolute/path`;
  }
  if (!/^https?:\/\//.test(source) || !URL.canParse(source)) {
    return `'${source}' is no address of a kind that is known: https://, hf://, s3:// or file:///`;
  }
  return undefined;
}
