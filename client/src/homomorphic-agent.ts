/**
 * The user's re-encrypting agent (Node): whenever a consent for the homomorphic path has new samples,
 * it fetches the user's own ciphertexts, opens them with the device key, encrypts them under the user's
 * homomorphic key and hands the request to the backend. Heartbeats are in the clear in this process,
 * and in no other but the device's.
 */
import {
  equalBytes,
  HASH_BYTES,
  HOMOMORPHIC,
  MozaikError,
  toHex,
  TOPICS,
  verifyConsent,
  type Consent,
  type EncryptedRequest,
  type ErrorCode,
  type Schema,
  type Verified,
} from '@mozaik/protocol';
import { hexBytes } from './answers.ts';
import type { Api } from './api.ts';
import type { Device } from './device.ts';
import {
  prepareRequest,
  sendRequest,
  type HomomorphicScheme,
  type Keyring,
} from './homomorphic.ts';
import { parseJson } from './http.ts';
import { TopicWatch } from './topic-watch.ts';

/** What an agent has to say to whoever runs it. */
export const AGENT_NOTICE =
  'This agent opens heartbeats with the device key and encrypts them again for the server: beside the ' +
  'device, this computer is the only place that ever holds them.';

/** Failures that pass: the connection is made again, and what is pending looked for then. */
const PASSING = new Set<ErrorCode>(['UNAVAILABLE', 'INTERNAL', 'RATE_LIMITED', 'UPLOAD_TOO_SLOW']);

/** The MQTT message that there is something to encrypt; only what is needed is looked at. */
const pendingNotice: Schema<{ consent: Uint8Array }> = (value, path) => {
  const { consent } = Object(value) as Record<string, unknown>;
  return { consent: hexBytes(HASH_BYTES)(consent, `${path}.consent`) };
};

export interface AgentOptions {
  api: Api;
  mqttUrl: string;
  keyring: Keyring;
  scheme: HomomorphicScheme;
  /** The user's devices, read each time: they are added while this runs. */
  devices: () => Promise<Device[]>;
  /** Called for each request that was accepted. */
  onRequest?: (sent: { job: Uint8Array; request: EncryptedRequest; frame: Uint8Array }) => void;
  /** A consent that cannot be served now, or a connection that failed. The agent goes on. */
  onError: (error: unknown) => void;
  reconnectMs?: number;
}

export class HomomorphicAgent {
  readonly #options: AgentOptions;
  readonly #watch: TopicWatch;
  /** By hash; verified once. Others than those of the path are remembered as such. */
  readonly #consents = new Map<string, Verified<Consent> | 'other'>();
  /** Consents that wait for their turn, each once. */
  readonly #waiting = new Set<string>();
  #queue: Promise<void> = Promise.resolve();

  constructor(options: AgentOptions) {
    const { api, mqttUrl, onError, reconnectMs } = options;
    this.#options = options;
    this.#watch = new TopicWatch({
      ...{ session: api.session, mqttUrl, onError },
      topics: [TOPICS.userPending(toHex(api.session.identity.id))],
      onConnected: async () => {
        for (const { consent, state } of await api.consents()) {
          if (state === 'active') this.#enqueue(consent);
        }
      },
      onMessage: (_topic, payload) => {
        this.#enqueue(parseJson(payload, pendingNotice, 'notice').consent);
      },
      reconnectMs,
    });
  }

  /** Connects. A connection that fails or ends is made again after a while. */
  start(): Promise<void> {
    return this.#watch.start();
  }

  /** Stops; resolves when a request that is being made is finished. */
  async close(): Promise<void> {
    await this.#watch.close();
    await this.#queue;
  }

  #enqueue(consent: Uint8Array): void {
    const name = toHex(consent);
    if (this.#waiting.has(name)) return;
    this.#waiting.add(name);
    this.#queue = this.#queue
      .then(() => {
        this.#waiting.delete(name);
        return this.#serve(consent);
      })
      .catch((error: unknown) => {
        if (this.#watch.closed) return;
        if (error instanceof MozaikError && PASSING.has(error.code)) this.#watch.reconnect();
        this.#options.onError(error);
      });
  }

  /** Sends one request; when its job has ended, the backend says if there is more. */
  async #serve(hash: Uint8Array): Promise<void> {
    const { api, keyring, scheme, onRequest } = this.#options;
    if (this.#watch.closed) return;
    const consent = await this.#consent(hash);
    if (consent === 'other') return;
    const sequences = await api.pending(hash);
    if (sequences.length === 0) return;
    const devices = await this.#options.devices();
    const device = devices.find(({ id }) => equalBytes(id, consent.value.device));
    if (device === undefined) {
      throw new MozaikError('NOT_FOUND', `no key of device ${toHex(consent.value.device)} is here`);
    }
    const prepared = await prepareRequest(api, device, keyring, scheme, consent, sequences);
    let job: Uint8Array;
    try {
      job = await sendRequest(api, keyring, prepared);
    } catch (error) {
      // A job runs, of this agent or of another of the same user: the backend tells when it has ended.
      if (error instanceof MozaikError && error.code === 'CONFLICT') return;
      throw error;
    }
    onRequest?.({ job, request: prepared.request, frame: prepared.frame });
  }

  async #consent(hash: Uint8Array): Promise<Verified<Consent> | 'other'> {
    const { api } = this.#options;
    const name = toHex(hash);
    const held = this.#consents.get(name);
    if (held !== undefined) return held;
    const consent = verifyConsent(await api.consent(hash));
    const isOwn = equalBytes(consent.signer, api.session.identity.id);
    if (!isOwn || !equalBytes(consent.hash, hash)) {
      throw new MozaikError('CONSENT_MISMATCH', 'the backend gave another consent');
    }
    const found = consent.value.protocol === HOMOMORPHIC ? consent : 'other';
    this.#consents.set(name, found);
    return found;
  }
}
