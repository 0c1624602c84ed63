/**
 * Homomorphic keys in a folder of their user (Node): for each key epoch one file with the secret keys
 * and one with the frame of evaluation keys. Files have mode 0600; an existing key is never overwritten.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  bytes,
  bytesUpTo,
  decodeCanonical,
  encodeCanonical,
  HASH_BYTES,
  integer,
  MozaikError,
  oneOf,
  Secret,
  struct,
  toHex,
} from '@mozaik/protocol';
import type { KeySet, KeyStorage } from './homomorphic.ts';
import { createPrivate, privateFolder, readPrivate } from './private-file.ts';

const FOLDER = 'homomorphic';
/** Largest secret key of a layout, bytes. */
const SECRET_MAX_BYTES = 1 << 20;

const schema = struct({
  v: oneOf(1),
  epoch: integer(1, 0xffffffff),
  created: integer(0, Number.MAX_SAFE_INTEGER),
  /** Hash of the announcement in the other file. */
  hash: bytes(HASH_BYTES),
  single: bytesUpTo(SECRET_MAX_BYTES),
  batch: bytesUpTo(SECRET_MAX_BYTES),
});

/** @throws MozaikError STATE_CORRUPT; INPUT_FILE when others may use the folder */
export function keysInFolder(folder: string): KeyStorage {
  const keys = join(folder, FOLDER);
  const secretFile = (epoch: number) => join(keys, `${epoch}.secret`);
  // By its hash: what a crash or another process left under a number is not in the way.
  const frameFile = (hash: Uint8Array) => join(keys, `${toHex(hash)}.evaluation`);
  const prepare = async () => {
    await privateFolder(folder);
    await privateFolder(keys);
  };

  async function read(epoch: number): Promise<KeySet> {
    const path = secretFile(epoch);
    const data = (await readPrivate(path)) ?? new Uint8Array(0);
    try {
      const { single, batch, created, hash, ...rest } = decodeCanonical(data, schema, path);
      if (rest.epoch !== epoch) throw new TypeError();
      const secrets = { single: new Secret(single.slice()), batch: new Secret(batch.slice()) };
      return { epoch, created, hash: hash.slice(), secrets };
    } catch {
      // No cause: it may tell something of the secret.
      throw new MozaikError('STATE_CORRUPT', path);
    } finally {
      data.fill(0);
    }
  }

  return {
    async load() {
      await prepare();
      const epochs = (await readdir(keys))
        .map((name) => /^(\d{1,10})\.secret$/.exec(name)?.[1])
        .filter((epoch) => epoch !== undefined);
      return Promise.all(
        epochs
          .map(Number)
          .sort((a, b) => a - b)
          .map(read),
      );
    },
    async create({ epoch, created, hash, secrets }, frame) {
      await prepare();
      const [single, batch] = [secrets.single.expose(), secrets.batch.expose()];
      const data = encodeCanonical({ v: 1, epoch, created, hash, single, batch });
      // The secrets last: without them, the set does not exist.
      await createPrivate(frameFile(hash), frame);
      await createPrivate(secretFile(epoch), data);
      data.fill(0);
    },
    async frame({ hash }) {
      const frame = await readPrivate(frameFile(hash));
      if (frame === undefined) throw new MozaikError('STATE_CORRUPT', frameFile(hash));
      return frame;
    },
  };
}
