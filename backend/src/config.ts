/** Options of the backend, their defaults, and what is refused. */
import { isIP } from 'node:net';
import { ID_BYTES, MozaikError } from '@mozaik/protocol';

export interface OidcOptions {
  /** Value of `iss` in the provider's tokens. */
  issuer: string;
  /** Where the provider publishes its keys. */
  jwksUrl: string;
  /** Value of `aud` that names this backend. */
  audience: string;
  /** Claim that holds `user`, `party` or `provider`. */
  roleClaim: string;
  /** Claim that holds the id, in hexadecimal. */
  idClaim: string;
}

export interface JobOptions {
  /** How long a micro-batch waits for more samples, ms. */
  microBatchDelayMs: number;
  /** Most samples in a micro-batch. */
  microBatchMax: number;
  /** How long a job may take, ms, and how much longer for each of its samples. */
  timeoutMs: number;
  timeoutPerSampleMs: number;
  /** Attempts at the same samples, the first included; a stream waits longer for a lost machine. */
  maxAttempts: number;
  /** Wait before the second attempt, ms; doubles with each further one, up to the most. */
  retryBackoffMs: number;
  retryBackoffMaxMs: number;
  /** How often expiry and start of consents are checked, ms. */
  tickMs: number;
}

export interface LimitOptions {
  /** MQTT connections at once: bounds memory and file descriptors. */
  mqttConnections: number;
  /** Samples per second and as a burst of one connection; above it reading pauses (back-pressure). */
  publishRate: number;
  publishBurst: number;
  /** HTTP connections at once. */
  httpConnections: number;
  /** Time for the headers and for the whole of a request, ms: stops clients that dribble bytes. */
  headersTimeoutMs: number;
  requestTimeoutMs: number;
  /** Requests per minute: without a token by address, else by the token's subject. */
  anonymousRequestsPerMinute: number;
  requestsPerMinute: number;
  /** A party makes several requests for each job. */
  partyRequestsPerMinute: number;
  /** Logins per minute by address, and signed objects by subject: each costs a signature check. */
  loginsPerMinute: number;
  submissionsPerMinute: number;
}

export interface BackendOptions {
  /** Folder that holds everything; made if missing, readable by its owner only. */
  dataDir: string;
  /** Name of this backend: what logins and tokens are for. */
  audience: string;
  host?: string;
  /** 0 is any free port. */
  httpPort?: number;
  mqttPort?: number;
  /** PEM texts. Without them the backend listens on a loopback address only. */
  tls?: { key: string; cert: string };
  oidc?: OidcOptions;
  /** Ids of the parties that may log in; without it any may. */
  allowedParties?: string[];
  jobs?: Partial<JobOptions>;
  limits?: Partial<LimitOptions>;
  logLevel?: 'silent' | 'error' | 'warn' | 'info' | 'debug';
  /** The clock, ms since 1970. */
  now?: () => number;
}

export interface Config extends BackendOptions {
  host: string;
  httpPort: number;
  mqttPort: number;
  jobs: JobOptions;
  limits: LimitOptions;
  logLevel: NonNullable<BackendOptions['logLevel']>;
  now: () => number;
}

const JOB_DEFAULTS: JobOptions = {
  microBatchDelayMs: 500,
  microBatchMax: 256,
  timeoutMs: 60_000,
  timeoutPerSampleMs: 20,
  maxAttempts: 5,
  retryBackoffMs: 1000,
  retryBackoffMaxMs: 60_000,
  tickMs: 1000,
};

const LIMIT_DEFAULTS: LimitOptions = {
  mqttConnections: 2000,
  publishRate: 500,
  publishBurst: 1000,
  httpConnections: 1000,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 60_000,
  anonymousRequestsPerMinute: 300,
  requestsPerMinute: 3000,
  partyRequestsPerMinute: 60_000,
  loginsPerMinute: 120,
  submissionsPerMinute: 120,
};

/** A misspelt option must not leave a protection off. */
const KNOWN_OPTIONS = new Set([
  ...['dataDir', 'audience', 'host', 'httpPort', 'mqttPort', 'tls', 'oidc'],
  ...['allowedParties', 'jobs', 'limits', 'logLevel', 'now'],
]);
const OIDC_OPTIONS = ['issuer', 'jwksUrl', 'audience', 'roleClaim', 'idClaim'] as const;

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));

const refuse = (detail: string) => new MozaikError('INPUT_FILE', detail);

function withDefaults<T extends object>(defaults: T, given: Partial<T> = {}, what: string): T {
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(defaults, name)) throw refuse(`option ${what}.${name} is unknown`);
    if (!Number.isSafeInteger(value) || (value as number) < 1) {
      throw refuse(`option ${what}.${name} must be a positive integer`);
    }
  }
  return { ...defaults, ...given };
}

function checkOidc(oidc: OidcOptions): void {
  if (OIDC_OPTIONS.some((name) => typeof oidc[name] !== 'string' || oidc[name] === '')) {
    throw refuse(`option oidc needs ${OIDC_OPTIONS.join(', ')}`);
  }
  const url = URL.canParse(oidc.jwksUrl) ? new URL(oidc.jwksUrl) : undefined;
  // Whoever can alter the keys on their way here can be anybody.
  if (url?.protocol !== 'https:' && !(url?.protocol === 'http:' && isLoopback(url.hostname))) {
    throw refuse('option oidc.jwksUrl must be an https address');
  }
}

/**
 * Checks options and fills in defaults.
 * @throws MozaikError INPUT_FILE, also for a public address without TLS: tokens would cross the
 *   network in the clear
 */
export function resolveConfig(options: BackendOptions): Config {
  const { dataDir, audience, allowedParties, host = '127.0.0.1' } = options;
  const { httpPort = 0, mqttPort = 0 } = options;
  if (typeof dataDir !== 'string' || dataDir === '') throw refuse('option dataDir is missing');
  if (typeof audience !== 'string' || !/^[\x21-\x7e]{1,255}$/.test(audience)) {
    throw refuse('option audience must be 1 to 255 printable characters without spaces');
  }
  const unknown = Object.keys(options).find((name) => !KNOWN_OPTIONS.has(name));
  if (unknown !== undefined) throw refuse(`option ${unknown} is unknown`);
  for (const [name, port] of Object.entries({ httpPort, mqttPort })) {
    if (!Number.isInteger(port) || port < 0 || port > 65_535) {
      throw refuse(`option ${name} must be a port number`);
    }
  }
  if (typeof host !== 'string') throw refuse('option host must be text');
  if (options.tls === undefined && !isLoopback(host)) {
    throw refuse(`host ${host} is not a loopback address, so the option tls is needed`);
  }
  if (options.oidc !== undefined) checkOidc(options.oidc);
  if (allowedParties !== undefined) {
    const id = new RegExp(`^[0-9a-f]{${2 * ID_BYTES}}$`);
    if (!Array.isArray(allowedParties) || !allowedParties.every((party) => id.test(party))) {
      throw refuse('option allowedParties must be a list of ids');
    }
  }
  return {
    ...options,
    host,
    httpPort,
    mqttPort,
    jobs: withDefaults(JOB_DEFAULTS, options.jobs, 'jobs'),
    limits: withDefaults(LIMIT_DEFAULTS, options.limits, 'limits'),
    logLevel: options.logLevel ?? 'info',
    now: options.now ?? Date.now,
  };
}
