/** @module The head of an HTTP/1.1 response, and what S3 says when it refuses. */

export interface ResponseHead {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
}

const END_OF_HEAD = '\r\n\r\n';
const MOST_HEAD_BYTES = 64 << 10;

/** @returns The head and how many bytes it takes; undefined when more must come. */
export function parseHead(
  bytes: Buffer,
): { readonly head: ResponseHead; readonly headBytes: number } | undefined {
  const end = bytes.indexOf(END_OF_HEAD);
  if (end === -1) {
    if (bytes.length > MOST_HEAD_BYTES) throw new Error('the answer has no end of its headers');
    return undefined;
  }
  const [first = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
  const status = /^HTTP\/1\.\d (\d{3})/.exec(first)?.[1];
  if (status === undefined) throw new Error('the answer is not HTTP/1.1');
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()] as const;
    }),
  );
  return { head: { status: Number(status), headers }, headBytes: end + END_OF_HEAD.length };
}

/** As the SDK's errors: S3's code is its name, and the status is where `httpStatus` looks. */
export class S3Refusal extends Error {
  readonly $metadata: { readonly httpStatusCode: number };

  constructor(status: number, body: string) {
    const code = /<Code>([^<]+)<\/Code>/.exec(body)?.[1];
    const text = /<Message>([^<]*)<\/Message>/.exec(body)?.[1];
    super(text ?? `S3 answered with HTTP ${status}`);
    this.name = code ?? (status === 412 ? 'PreconditionFailed' : `HTTP ${status}`);
    this.$metadata = { httpStatusCode: status };
  }
}
