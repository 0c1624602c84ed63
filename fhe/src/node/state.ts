/**
 * What a server keeps on disk: its identity and sealing key, in one file of mode 0600, and the
 * revocations that it has seen. Ciphertexts, evaluation keys and models never touch the disk.
 */
import path from 'node:path';
import { appendPrivate, createPrivate, privateFolder, readPrivate } from '@mozaik/client';
import {
  createIdentity,
  createSealKeys,
  fromHex,
  HASH_BYTES,
  ID_BYTES,
  IDENTITY_SEED_BYTES,
  MozaikError,
  oneOf,
  SEAL_SEED_BYTES,
  struct,
  text,
  toHex,
  type Identity,
  type SealKeys,
} from '@mozaik/protocol';
import { randomBytes } from 'node:crypto';

export const KEYS_FILE = 'server-keys.json';
const REVOCATIONS_FILE = 'revocations.log';
/** Most revocations remembered: stops a backend that invents them from filling disk and memory. */
const REVOCATIONS_MAX = 100_000;

const schema = struct({
  format: oneOf('mozaik-server-keys'),
  version: oneOf(1),
  identitySeed: text(2 * IDENTITY_SEED_BYTES),
  sealSeed: text(2 * SEAL_SEED_BYTES),
});

export interface ServerKeys {
  identity: Identity;
  seal: SealKeys;
}

/**
 * Loads the server's keys from `folder`, or makes them on first use.
 * @throws MozaikError STATE_CORRUPT; INPUT_FILE when others may use the folder
 */
export async function loadServerKeys(folder: string): Promise<ServerKeys> {
  await privateFolder(folder);
  const file = path.join(folder, KEYS_FILE);
  if ((await readPrivate(file)) === undefined) {
    const fresh = {
      ...{ format: 'mozaik-server-keys', version: 1 },
      identitySeed: toHex(randomBytes(IDENTITY_SEED_BYTES)),
      sealSeed: toHex(randomBytes(SEAL_SEED_BYTES)),
    };
    await createPrivate(file, new TextEncoder().encode(JSON.stringify(fresh)));
  }
  try {
    const data = new TextDecoder().decode(await readPrivate(file));
    const { identitySeed, sealSeed } = schema(JSON.parse(data), KEYS_FILE);
    return {
      identity: createIdentity(fromHex(identitySeed, IDENTITY_SEED_BYTES)),
      seal: createSealKeys(fromHex(sealSeed, SEAL_SEED_BYTES)),
    };
  } catch {
    // The cause may quote the file: it is not passed on.
    throw new MozaikError('STATE_CORRUPT', file);
  }
}

/** Consents that may not be used any more, with the id of who revoked each. */
export class Revocations {
  readonly #file: string;
  readonly #seen: Set<string>;

  private constructor(file: string, seen: Iterable<string>) {
    this.#file = file;
    this.#seen = new Set(seen);
  }

  static async open(folder: string): Promise<Revocations> {
    await privateFolder(folder);
    const file = path.join(folder, REVOCATIONS_FILE);
    const lines = new TextDecoder().decode(await readPrivate(file)).split('\n');
    // A line cut short by a crash was never acted upon; the backend sends it again.
    const whole = lines.filter((line) => line.length === 2 * (HASH_BYTES + ID_BYTES) + 1);
    return new Revocations(file, whole);
  }

  async add(consent: Uint8Array, user: Uint8Array): Promise<void> {
    const line = `${toHex(consent)} ${toHex(user)}`;
    if (this.#seen.has(line) || this.#seen.size >= REVOCATIONS_MAX) return;
    this.#seen.add(line);
    // Led by its newline, so that what a crash cut short does not swallow the next one.
    await appendPrivate(this.#file, new TextEncoder().encode(`\n${line}`));
  }

  /** Whether this user, the consent's own, has revoked it. */
  has(consent: Uint8Array, user: Uint8Array): boolean {
    return this.#seen.has(`${toHex(consent)} ${toHex(user)}`);
  }
}
