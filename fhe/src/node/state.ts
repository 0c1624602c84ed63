/**
 * What a server keeps on disk beside the revocations that it has seen: its identity and sealing key, in
 * one file of mode 0600. Ciphertexts, evaluation keys and models never touch the disk.
 */
import path from 'node:path';
import { createPrivate, privateFolder, readPrivate } from '@mozaik/client';
import {
  createIdentity,
  createSealKeys,
  fromHex,
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
