/**
 * @module HTTP requests as downloads need them: through the proxies that the environment names, never waiting for
 * ever, and with each redirect in sight, because what one origin may be told another must not.
 */
import { EnvHttpProxyAgent, request, type Dispatcher } from 'undici';
import { FetchError } from './fetch-error.ts';
import { createAddressGuard } from './public-address.ts';
import { createSurplus } from './surplus.ts';

export interface Timeouts {
  readonly connectMs: number;
  /** Until the answer's headers are there. */
  readonly headersMs: number;
  /** Between two pieces of a body. */
  readonly bodyMs: number;
}

const TIMEOUTS: Timeouts = { connectMs: 10_000, headersMs: 30_000, bodyMs: 30_000 };
const MOST_REDIRECTS = 10;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

export interface Hop {
  readonly url: URL;
  readonly status: number;
  readonly header: (name: string) => string | undefined;
}

export interface Answer extends Hop {
  /** The redirects that led here. */
  readonly via: readonly Hop[];
  readonly body: Dispatcher.ResponseData['body'];
  /** Asked after the body's end: did more come than belongs to it? */
  readonly hasSurplus: () => Promise<boolean>;
}

export interface WebRequest {
  readonly method: 'HEAD' | 'GET';
  readonly headers?: Readonly<Record<string, string>>;
  /** What may be told to this origin only. */
  readonly authorization?: (url: URL) => string | undefined;
}

export interface Web {
  /** Follows redirects. Any status is an answer; its body must be read or let go of. @throws FetchError `unavailable` */
  request(url: URL, request: WebRequest, signal: AbortSignal): Promise<Answer>;
  close(): Promise<void>;
}

export interface WebSettings {
  /** Hosts that may be reached though their addresses are private. @default none */
  readonly privateHosts?: readonly string[];
  readonly timeouts?: Partial<Timeouts>;
  /** Instead of HTTP_PROXY, HTTPS_PROXY and NO_PROXY, which undici reads itself. */
  readonly proxies?: { readonly httpProxy?: string; readonly httpsProxy?: string; readonly noProxy?: string };
}

export function createWeb({ timeouts, proxies, privateHosts = [] }: WebSettings = {}): Web {
  const { connectMs, headersMs, bodyMs } = { ...TIMEOUTS, ...timeouts };
  const surplus = createSurplus();
  const guard = createAddressGuard(privateHosts);
  const dispatcher = new EnvHttpProxyAgent({
    factory: surplus.factory,
    // A proxy itself is the operator's, and resolves names in this place.
    connect: { timeout: connectMs, lookup: guard.lookup },
    headersTimeout: headersMs,
    bodyTimeout: bodyMs,
    ...proxies,
  });
  return {
    async request(url, { method, headers = {}, authorization = () => undefined }, signal) {
      const via: Hop[] = [];
      for (let target = url; ;) {
        guard.mustAllow(target);
        const credentials = authorization(target);
        const all = { 'accept-encoding': 'identity', 'user-agent': 'glee-pipeline', ...headers };
        const options = {
          dispatcher,
          method,
          signal,
          headers: { ...all, ...(credentials && { authorization: credentials }) },
        };
        const hasSurplus = surplus.watch(target.origin);
        const answer = { ...(await send(target, options, signal)), hasSurplus };
        const next = nextUrl(answer);
        if (next === undefined) return { ...answer, via };
        answer.body.on('error', () => undefined).destroy();
        via.push(answer);
        if (via.length > MOST_REDIRECTS)
          throw new FetchError('unusableSource', `${shown(url)} redirects without end`);
        target = next;
      }
    },
    close: () => dispatcher.destroy(),
  };
}

/** Bytes of an answer, its breaks told as FetchErrors. */
export async function* bodyOf(answer: Answer, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of answer.body) {
      if (!(chunk instanceof Uint8Array)) throw new TypeError('a body yielded something that is not bytes');
      yield chunk;
    }
  } catch (error) {
    throw unavailable(answer.url, error, signal);
  }
}

/** For people: without userinfo, query and fragment, any of which may be a credential. */
export function shown(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

async function send(
  url: URL,
  options: Parameters<typeof request>[1],
  signal: AbortSignal,
): Promise<Hop & Pick<Answer, 'body'>> {
  try {
    const { statusCode, headers, body } = await request(withoutUserinfo(url), options);
    const header = (name: string) => [headers[name]].flat()[0];
    return { url, status: statusCode, header, body };
  } catch (error) {
    throw unavailable(url, error, signal);
  }
}

function withoutUserinfo(url: URL): URL {
  const bare = new URL(url);
  bare.username = '';
  bare.password = '';
  return bare;
}

function nextUrl({ status, header, url }: Hop): URL | undefined {
  const location = header('location');
  if (!REDIRECTS.has(status) || location === undefined) return undefined;
  const next = URL.canParse(location, url.href) ? new URL(location, url) : undefined;
  if (next?.protocol === 'https:' || (next?.protocol === 'http:' && url.protocol === 'http:')) return next;
  throw new FetchError('unusableSource', `${shown(url)} redirects to where a download must not follow`);
}

/** Undici's own words hold addresses and ports, never headers or queries. */
function unavailable(url: URL, error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted || !(error instanceof Error) || error instanceof FetchError) return error;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  const words = (code && SAID[code]) ?? `broke the connection (${error.message || (code ?? error.name)})`;
  return new FetchError('unavailable', `${url.host} ${words}`, { cause: error });
}

const SAID: Readonly<Record<string, string>> = {
  UND_ERR_CONNECT_TIMEOUT: 'cannot be connected to in time',
  UND_ERR_HEADERS_TIMEOUT: 'does not answer',
  UND_ERR_BODY_TIMEOUT: 'stopped sending in the middle of the file',
  ECONNREFUSED: 'refuses connections',
  ENOTFOUND: 'is not known to the name server',
  EAI_AGAIN: 'is not known to the name server now',
};
