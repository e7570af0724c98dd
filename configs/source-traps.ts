/** @module Addresses of weights that users write: of a kind that is understood, and without a secret in them. */

/** Query parameters that let whoever has the address have the file. */
const SECRET = /[?&](x-amz-signature|x-amz-credential|signature|sig|token|access_token|key|awsaccesskeyid)=/i;

/** Why `source` cannot be fetched from, or undefined when it can. */
export function sourceProblem(source: string): string | undefined {
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
  const { username, password, search, host } = new URL(source);
  // It would stand in plans, histories and logs.
  if (username !== '' || password !== '' || SECRET.test(search)) {
    return `an address on ${host} has a secret in it: take it out. Tokens for Hugging Face go into HF_TOKEN, keys to S3 into the AWS chain (s3://…)`;
  }
  return undefined;
}
