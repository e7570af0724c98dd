/**
 * @module Addresses of weights, as far as both sides of Temporal look at them: a secret in one would stand in histories,
 * plans and logs.
 */

/** Query parameters that let whoever has the address have the file. */
const SECRET_PARAMETER =
  /[?&](x-amz-signature|x-amz-credential|x-amz-security-token|x-goog-signature|signature|sig|token|access_token|key|awsaccesskeyid)=/i;
/** Name or password before the host. */
const USERINFO = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*@/i;
/** Longer ones are no addresses. */
const LONGEST = 2048;

/** Whether an address, of whatever scheme, has credentials in it. */
export function hasSecret(address: string): boolean {
  return USERINFO.test(address) || SECRET_PARAMETER.test(address);
}

/** Why a workflow must not begin with these sources, or undefined when it may. Says nothing of a secret itself. */
export function secretProblem(artifact: string, sources: readonly string[]): string | undefined {
  if (sources.some((source) => source.length > LONGEST))
    return `artifact '${artifact}' has a source of more than ${LONGEST} characters, which is no address`;
  if (!sources.some(hasSecret)) return undefined;
  return (
    `artifact '${artifact}' has a source with a secret in its address. It stands in this workflow's history by now, and ` +
    'whoever may read that has it: change the credential, and take it out of the address. Tokens for Hugging Face go ' +
    'into HF_TOKEN, keys to S3 into the AWS chain (s3://…)'
  );
}

/** Why these sources do not do without a checksum, or undefined when they do. */
export function unprovenProblem(sources: readonly string[], sha256: string | undefined): string | undefined {
  const plain = sources.find((source) => /^http:/i.test(source));
  if (plain === undefined || sha256 !== undefined) return undefined;
  return `'${plain}' is not encrypted, and anyone on the way could change the file: give its sha256 too, or an https:// address`;
}
