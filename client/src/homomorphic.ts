/**
 * The user's side of the homomorphic path: keys, encryption of the user's own samples for a server,
 * and opening of its replies. Runs in browsers and Node alike; the scheme itself is `@mozaik/fhe`.
 *
 * Whoever runs this holds the heartbeats in the clear: it is the only place besides the device that
 * ever does. The secret key stays here, and of what it decrypts only labels go on.
 */
import {
  bodyHash,
  covers,
  decodeSample,
  encodeFrame,
  ENCRYPTED_REQUEST,
  equalBytes,
  EVALUATION_KEYS,
  MozaikError,
  objectHash,
  REQUEST_MAX_BEATS,
  SAMPLES_PAGE_MAX,
  Secret,
  sign,
  type Consent,
  type EncryptedRequest,
  type Identity,
  type Layout,
  type Verified,
} from '@mozaik/protocol';
import type { Api } from './api.ts';
import { openSample, type Device } from './device.ts';
import type { ReplyOpener } from './results.ts';

/** Age at which a key set is replaced, ms: as many days as a consent spans at most. */
export const KEY_SET_LIFETIME_MS = 31 * 86_400_000;

/** Keys of one layout. Redact themselves: the secret key is a {@link Secret}. */
export interface LayoutKeys {
  secret: Secret;
  /** For the server; empty in the batch layout. */
  evaluation: Uint8Array;
}

/** What the scheme does at the user's side; `@mozaik/fhe/client` is one. */
export interface HomomorphicScheme {
  createKeys: (layout: Layout) => Promise<LayoutKeys>;
  maxBeats: (layout: Layout) => number;
  encryptBeats: (layout: Layout, keys: LayoutKeys, windows: Uint8Array[]) => Promise<Uint8Array>;
  /** Gives labels: the approximate values that are decrypted never leave it. */
  openReply: (
    layout: Layout,
    keys: LayoutKeys,
    reply: Uint8Array,
    beats: number,
  ) => Promise<{ classIndex: number }[]>;
}

/** A user's keys of one key epoch. */
export interface KeySet {
  /** Number of the set; a higher one takes the place of a lower one at the server. */
  epoch: number;
  /** ms since 1970. */
  created: number;
  /** Hash of the announcement of its evaluation keys: how requests and replies name the set. */
  hash: Uint8Array;
  secrets: Record<Layout, Secret>;
}

/** Where key sets are kept. Old ones stay, as they open old replies. */
export interface KeyStorage {
  /** All sets, oldest first. */
  load: () => Promise<KeySet[]>;
  /**
   * Keeps a new set and the frame with its evaluation keys.
   * @throws MozaikError CONFLICT when there is a set of this epoch
   */
  create: (set: KeySet, frame: Uint8Array) => Promise<void>;
  /** The frame with the evaluation keys of a set, for the server. */
  frame: (set: KeySet) => Promise<Uint8Array>;
}

/** Makes, keeps and finds a user's homomorphic keys. */
export class Keyring {
  readonly #storage: KeyStorage;
  readonly #scheme: HomomorphicScheme;
  readonly #identity: Identity;
  readonly #now: () => number;
  #sets: Promise<KeySet[]> | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    storage: KeyStorage,
    scheme: HomomorphicScheme,
    identity: Identity,
    now: () => number = Date.now,
  ) {
    this.#storage = storage;
    this.#scheme = scheme;
    this.#identity = identity;
    this.#now = now;
  }

  /** The current set; made when there is none or it has reached {@link KEY_SET_LIFETIME_MS}. */
  current(): Promise<KeySet> {
    return this.#exclusive(async () => {
      const latest = (await this.#load()).at(-1);
      const isDue = !latest || this.#now() - latest.created >= KEY_SET_LIFETIME_MS;
      return isDue ? this.#make() : latest;
    });
  }

  /** Makes a set of the next epoch: from now on requests are encrypted under it. */
  renew(): Promise<KeySet> {
    return this.#exclusive(() => this.#make());
  }

  /** The set that a reply names. */
  async find(hash: Uint8Array): Promise<KeySet | undefined> {
    return (await this.#load()).find((set) => equalBytes(set.hash, hash));
  }

  /** The frame with the evaluation keys of a set, for the server. */
  frame(set: KeySet): Promise<Uint8Array> {
    return this.#storage.frame(set);
  }

  #load(): Promise<KeySet[]> {
    this.#sets ??= this.#storage.load();
    return this.#sets;
  }

  #exclusive<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(run);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #make(): Promise<KeySet> {
    const sets = await this.#load();
    const epoch = (sets.at(-1)?.epoch ?? 0) + 1;
    const created = this.#now();
    const single = await this.#scheme.createKeys('single');
    const batch = await this.#scheme.createKeys('batch');
    const body = single.evaluation;
    const announcement = {
      ...{ v: 1, user: this.#identity.id, epoch, body: bodyHash(body), bytes: body.length },
      issued: created,
    } as const;
    const set: KeySet = {
      ...{ epoch, created, hash: objectHash(EVALUATION_KEYS, announcement) },
      secrets: { single: single.secret, batch: batch.secret },
    };
    const signed = sign(EVALUATION_KEYS, announcement, this.#identity);
    await this.#storage.create(set, encodeFrame(signed, body));
    sets.push(set);
    return set;
  }
}

/** Keys of a set in one layout, as the scheme takes them to encrypt and to open. */
const keysOf = (set: KeySet, layout: Layout): LayoutKeys => ({
  secret: set.secrets[layout],
  evaluation: new Uint8Array(0),
});

/** Opens replies with the keys of a ring. */
export function replyOpener(keyring: Keyring, scheme: HomomorphicScheme): ReplyOpener {
  return async ({ keys, layout }, body, beats) => {
    const set = await keyring.find(keys);
    if (set === undefined) {
      throw new MozaikError('SHARE_UNREADABLE', 'the homomorphic keys of the reply are not here');
    }
    return scheme.openReply(layout, keysOf(set, layout), body, beats);
  };
}

/** A sample that waits to be encrypted, opened. */
interface Waiting {
  sequence: number;
  time: number;
  /** Undefined when its tag does not verify. */
  window: Uint8Array | undefined;
}

/**
 * Fetches and opens the samples at these sequence numbers, ascending.
 * @throws MozaikError NOT_FOUND when one is not there; CONSENT_MISMATCH when one is not covered
 */
async function openPending(
  api: Api,
  device: Device,
  consent: Consent,
  sequences: number[],
): Promise<Waiting[]> {
  const { stream } = consent;
  const wanted = new Set(sequences);
  const found: Waiting[] = [];
  const last = sequences[sequences.length - 1];
  for (let from = sequences[0]; from <= last;) {
    const limit = Math.min(SAMPLES_PAGE_MAX, last - from + 1);
    const { samples } = await api.samples({ device: device.id, stream, from, limit });
    for (const { envelope } of samples) {
      const sample = decodeSample(envelope);
      const { sequence, time } = sample;
      if (sequence < from) throw new MozaikError('ENCODING_INVALID', 'samples do not ascend');
      from = sequence + 1;
      if (!wanted.has(sequence)) continue;
      // By the agent itself: what the user has not consented to is not encrypted for anybody.
      if (!covers(consent, sample)) throw new MozaikError('CONSENT_MISMATCH', `sample ${sequence}`);
      const opened = openSample(api.session.identity.id, device, stream, envelope);
      const window = 'plaintext' in opened ? opened.plaintext : undefined;
      found.push({ sequence, time, window });
    }
    if (samples.length < limit) break;
  }
  if (found.length < sequences.length) {
    throw new MozaikError('NOT_FOUND', `${sequences.length - found.length} samples`);
  }
  return found;
}

/** A request that is ready to be sent. */
export interface PreparedRequest {
  request: EncryptedRequest;
  keys: KeySet;
  /** The signed request and its ciphertexts. */
  frame: Uint8Array;
}

/**
 * Encrypts the next samples of a consent for its server: few in the single layout, which answers
 * sooner, else as many as fit in the batch layout.
 *
 * @param sequences what the backend says that no job has had, ascending
 * @throws MozaikError as {@link Api}; CONSENT_MISMATCH, NOT_FOUND
 */
export async function prepareRequest(
  api: Api,
  device: Device,
  keyring: Keyring,
  scheme: HomomorphicScheme,
  consent: Verified<Consent>,
  sequences: number[],
): Promise<PreparedRequest> {
  const few = sequences.length <= scheme.maxBeats('single');
  const layout: Layout = few ? 'single' : 'batch';
  const most = Math.min(scheme.maxBeats(layout), REQUEST_MAX_BEATS);
  const keys = await keyring.current();
  const waiting = await openPending(api, device, consent.value, sequences.slice(0, most));
  const windows = waiting.flatMap(({ window }) => (window ? [window] : []));
  let body: Uint8Array;
  try {
    // Nothing but altered samples: there is nothing to compute, but the user is to know of them.
    body =
      windows.length === 0
        ? new Uint8Array(0)
        : await scheme.encryptBeats(layout, keysOf(keys, layout), windows);
  } finally {
    for (const window of windows) window.fill(0);
  }
  const times = waiting.map(({ time }) => time);
  const request: EncryptedRequest = {
    v: 1,
    consent: consent.hash,
    keys: keys.hash,
    layout,
    sequences: waiting.map(({ sequence }) => sequence),
    authentic: Uint8Array.from(waiting, ({ window }) => (window ? 1 : 0)),
    from: Math.min(...times),
    to: Math.max(...times),
    body: bodyHash(body),
    bytes: body.length,
  };
  const { identity } = api.session;
  return { request, keys, frame: encodeFrame(sign(ENCRYPTED_REQUEST, request, identity), body) };
}

/**
 * Sends a request, and the evaluation keys before it when the backend does not have the current ones.
 * @returns id of the job
 * @throws MozaikError as {@link Api}; CONFLICT while another job of the consent runs
 */
export async function sendRequest(
  api: Api,
  keyring: Keyring,
  { request, keys, frame }: PreparedRequest,
): Promise<Uint8Array> {
  try {
    return await api.submitRequest(request.consent, frame);
  } catch (error) {
    if (!(error instanceof MozaikError) || error.code !== 'EVALUATION_KEYS_MISSING') throw error;
    await api.putEvaluationKeys(await keyring.frame(keys));
    return api.submitRequest(request.consent, frame);
  }
}
