/**
 * A session with the backend: login, renewal of the token, errors and limits. It trusts nothing of
 * an answer but its bytes; {@link Api} decodes them.
 */
import { ERRORS, LOGIN, MozaikError, sign, type ErrorCode, type Identity } from '@mozaik/protocol';
import type { Schema } from '@mozaik/protocol';
import { challengeAnswer, tokenAnswer, type Token } from './answers.ts';

/** A request that takes longer is given up, ms; one that carries megabytes has a second more for each. */
const REQUEST_TIMEOUT_MS = 30_000;
const TIMEOUT_PER_BYTE_MS = 1000 / 2 ** 20;
/** A token is renewed this long before it ends, so that none ends on its way, ms. */
const RENEW_BEFORE_MS = 60_000;
/** Largest JSON answer, bytes: stops a hostile backend from filling our memory. */
const JSON_MAX_BYTES = 4 << 20;
/** Largest problem+json, bytes. */
const PROBLEM_MAX_BYTES = 64 << 10;
/** Longest detail that is repeated from a problem+json, in characters. */
const DETAIL_MAX = 300;

export interface SessionOptions {
  /** Base address of the backend, such as `https://mozaik.example`. */
  url: string;
  /**
   * Name of the backend that the user means. A login is signed for this audience only, or a hostile
   * backend could have a login signed for another one and use it there.
   */
  audience: string;
  identity: Identity;
  role: 'user' | 'party' | 'provider';
  timeoutMs?: number;
  fetch?: typeof fetch;
  /** Clock, ms since 1970. */
  now?: () => number;
}

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

/** A request body: JSON, bytes that are CBOR, or bytes of any kind. */
export type Body = { json: unknown } | { cbor: Uint8Array } | { octets: Uint8Array };

const typeOf = (body: Body): string =>
  'json' in body
    ? 'application/json'
    : 'cbor' in body
      ? 'application/cbor'
      : 'application/octet-stream';

const contentOf = (body: Body): string | Uint8Array<ArrayBuffer> =>
  'json' in body
    ? JSON.stringify(body.json)
    : new Uint8Array('cbor' in body ? body.cbor : body.octets);

export class Session {
  readonly identity: Identity;
  readonly #base: URL;
  readonly #audience: string;
  readonly #role: SessionOptions['role'];
  readonly #timeoutMs: number;
  readonly #fetch: typeof fetch;
  readonly #now: () => number;
  /** The token, or the login under way: requests at the same time share one login. */
  #token: Promise<Token> | undefined;

  /** @throws TypeError when the address is not a URL */
  constructor(options: SessionOptions) {
    this.#base = new URL(options.url.endsWith('/') ? options.url : `${options.url}/`);
    this.#audience = options.audience;
    this.identity = options.identity;
    this.#role = options.role;
    this.#timeoutMs = options.timeoutMs ?? REQUEST_TIMEOUT_MS;
    this.#fetch = options.fetch ?? fetch;
    this.#now = options.now ?? Date.now;
  }

  /**
   * A token that does not end within a minute; it is also the password for MQTT.
   * @throws MozaikError AUTH_INVALID when the backend is not the one that we mean
   */
  async token(): Promise<string> {
    const held = this.#token;
    if (held !== undefined) {
      const { token, expires } = await held;
      if (expires - RENEW_BEFORE_MS > this.#now()) return token;
      if (this.#token === held) this.#token = undefined;
    }
    const login = (this.#token ??= this.#login());
    try {
      return (await login).token;
    } catch (error) {
      if (this.#token === login) this.#token = undefined;
      throw error;
    }
  }

  /** Sends a request as this identity and returns the body of the answer, at most `maxBytes`. */
  async request(
    method: Method,
    path: string,
    body: Body | undefined,
    maxBytes: number,
  ): Promise<Uint8Array> {
    const token = await this.token();
    try {
      return await this.#send(method, path, body, maxBytes, token);
    } catch (error) {
      // A backend that was restarted, or whose clock is ahead of ours, refuses a token that we think
      // is good. Nothing was done yet, so one fresh token may be tried.
      if (!(error instanceof MozaikError) || error.code !== 'AUTH_INVALID') throw error;
      this.#token = undefined;
      return await this.#send(method, path, body, maxBytes, await this.token());
    }
  }

  /** Sends a request as this identity and decodes a JSON answer. */
  async json<T>(method: Method, path: string, answer: Schema<T>, body?: Body): Promise<T> {
    return parseJson(await this.request(method, path, body, JSON_MAX_BYTES), answer, path);
  }

  async #login(): Promise<Token> {
    const path = '/v1/challenges';
    const given = await this.#send('POST', path, undefined, JSON_MAX_BYTES);
    const { challenge, audience } = parseJson(given, challengeAnswer, path);
    if (audience !== this.#audience) {
      throw new MozaikError('AUTH_INVALID', `the backend calls itself ${audience}`);
    }
    const login = sign(
      LOGIN,
      { v: 1, id: this.identity.id, role: this.#role, audience, challenge },
      this.identity,
    );
    const answer = await this.#send('POST', '/v1/tokens', { cbor: login }, JSON_MAX_BYTES);
    return parseJson(answer, tokenAnswer, '/v1/tokens');
  }

  async #send(
    method: Method,
    path: string,
    body: Body | undefined,
    maxBytes: number,
    token?: string,
  ): Promise<Uint8Array> {
    const headers = new Headers();
    if (token !== undefined) headers.set('authorization', `Bearer ${token}`);
    const size = maxBytes + (body && 'octets' in body ? body.octets.length : 0);
    const init: RequestInit = {
      method,
      headers,
      // A redirect would carry the request somewhere that the user did not name.
      redirect: 'error',
      signal: AbortSignal.timeout(this.#timeoutMs + Math.ceil(size * TIMEOUT_PER_BYTE_MS)),
    };
    if (body !== undefined) {
      headers.set('content-type', typeOf(body));
      init.body = contentOf(body);
    }
    try {
      const response = await this.#fetch(new URL(path.slice(1), this.#base), init);
      if (response.ok) return await readUpTo(response, maxBytes);
      throw problem(response.status, await readUpTo(response, PROBLEM_MAX_BYTES));
    } catch (cause) {
      if (cause instanceof MozaikError) throw cause;
      throw new MozaikError('UNAVAILABLE', `${method} ${this.#base.origin}${path}`, { cause });
    }
  }
}

async function readUpTo(response: Response, maxBytes: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  if (response.body !== null) {
    const reader = response.body.getReader() as ReadableStreamDefaultReader<Uint8Array>;
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      length += part.value.length;
      if (length > maxBytes) {
        await reader.cancel();
        throw new MozaikError('ENCODING_INVALID', `the answer has more than ${maxBytes} bytes`);
      }
      parts.push(part.value);
    }
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/**
 * Parses UTF-8 JSON and checks it.
 * @throws MozaikError ENCODING_INVALID
 */
export function parseJson<T>(data: Uint8Array, schema: Schema<T>, what: string): T {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(data));
  } catch (cause) {
    throw new MozaikError('ENCODING_INVALID', `${what}: not JSON`, { cause });
  }
  return schema(value, what);
}

/** The error that an answer of the backend stands for. */
function problem(status: number, data: Uint8Array): MozaikError {
  let fields: Record<string, unknown> = {};
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(data));
    if (typeof value === 'object' && value !== null) fields = value as Record<string, unknown>;
  } catch {
    // Not from our backend, perhaps from a proxy before it: the status is all there is.
  }
  const { code, detail, requestId } = fields;
  if (typeof code !== 'string' || !Object.hasOwn(ERRORS, code)) {
    return new MozaikError('UNAVAILABLE', `HTTP status ${status}, not from a Mozaik backend`);
  }
  const known = code as ErrorCode;
  // The request id is what finds the entry in the backend's log.
  const text =
    known === 'INTERNAL' && typeof requestId === 'string' ? `request id ${requestId}` : detail;
  return new MozaikError(known, typeof text === 'string' ? withoutAdvice(known, text) : undefined);
}

/** A detail without the advice that the backend appends: our own error appends it again. */
function withoutAdvice(code: ErrorCode, text: string): string | undefined {
  const { advice } = ERRORS[code];
  const own = text.endsWith(advice) ? text.slice(0, -advice.length).replace(/\.? *$/, '') : text;
  return own === '' ? undefined : own.slice(0, DETAIL_MAX).replace(/\p{C}/gu, ' ');
}
