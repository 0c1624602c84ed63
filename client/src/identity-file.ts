/**
 * Identities in a folder of their owner (Node): `user.json` or `provider.json`, and one file for each
 * device in `devices/`. Keys are hexadecimal in JSON with a version; files have mode 0600, folders
 * 0700. An existing key is never overwritten.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { deviceId } from '@mozaik/firmware';
import {
  createIdentity,
  DEVICE_ID_BYTES,
  equalBytes,
  fromHex,
  IDENTITY_SEED_BYTES,
  KEY_BYTES,
  MozaikError,
  oneOf,
  SEAL_SEED_BYTES,
  Secret,
  struct,
  text,
  toHex,
  type Identity,
  type Schema,
} from '@mozaik/protocol';
import { hexBytes } from './answers.ts';
import type { Device } from './device.ts';
import { parseJson } from './http.ts';
import { createPrivate, privateFolder, readPrivate } from './private-file.ts';
import { randomBytes } from './random.ts';
import { createUser, type User } from './user.ts';

const userFile = struct({
  v: oneOf(1),
  role: oneOf('user'),
  signingSeed: hexBytes(IDENTITY_SEED_BYTES),
  sealSeed: hexBytes(SEAL_SEED_BYTES),
});

const providerFile = struct({
  v: oneOf(1),
  role: oneOf('provider'),
  signingSeed: hexBytes(IDENTITY_SEED_BYTES),
});

const deviceFile = struct({ v: oneOf(1), name: text(64), masterKey: hexBytes(KEY_BYTES) });

const USER_FILE = 'user.json';
const PROVIDER_FILE = 'provider.json';
const DEVICE_FOLDER = 'devices';
const DEVICE_SUFFIX = '.json';

/**
 * Makes a new user in `folder`.
 * @throws MozaikError CONFLICT when there is one already; INPUT_FILE when others may use the folder
 */
export async function createUserFile(folder: string): Promise<User> {
  const signingSeed = randomBytes(IDENTITY_SEED_BYTES);
  const sealSeed = randomBytes(SEAL_SEED_BYTES);
  const file = { v: 1, role: 'user', signingSeed: toHex(signingSeed), sealSeed: toHex(sealSeed) };
  await writeJson(folder, USER_FILE, file);
  return wiping(() => createUser(signingSeed, sealSeed), signingSeed, sealSeed);
}

/** @throws MozaikError INPUT_FILE when there is none or others may read it; STATE_CORRUPT */
export async function loadUser(folder: string): Promise<User> {
  const { signingSeed, sealSeed } = await readJson(folder, USER_FILE, userFile);
  return wiping(() => createUser(signingSeed, sealSeed), signingSeed, sealSeed);
}

/** As {@link createUserFile}, for a model provider. */
export async function createProviderFile(folder: string): Promise<Identity> {
  const signingSeed = randomBytes(IDENTITY_SEED_BYTES);
  const file = { v: 1, role: 'provider', signingSeed: toHex(signingSeed) };
  await writeJson(folder, PROVIDER_FILE, file);
  return wiping(() => createIdentity(signingSeed), signingSeed);
}

/** As {@link loadUser}, for a model provider. */
export async function loadProvider(folder: string): Promise<Identity> {
  const { signingSeed } = await readJson(folder, PROVIDER_FILE, providerFile);
  return wiping(() => createIdentity(signingSeed), signingSeed);
}

/** Keeps a device's master key. @throws MozaikError CONFLICT when it is kept already */
export async function saveDevice(folder: string, device: Device): Promise<void> {
  await privateFolder(folder);
  const file = { v: 1, name: device.name, masterKey: toHex(device.masterKey.expose()) };
  await writeJson(join(folder, DEVICE_FOLDER), toHex(device.id) + DEVICE_SUFFIX, file);
}

/** @throws MozaikError INPUT_FILE when it is not kept here or others may read it; STATE_CORRUPT */
export async function loadDevice(folder: string, id: Uint8Array): Promise<Device> {
  const file = toHex(id) + DEVICE_SUFFIX;
  const { name, masterKey } = await readJson(join(folder, DEVICE_FOLDER), file, deviceFile);
  if (!equalBytes(deviceId(masterKey), id)) {
    throw new MozaikError('STATE_CORRUPT', `${file} holds the key of another device`);
  }
  return { id, name, masterKey: new Secret(masterKey) };
}

/** All devices whose master keys are kept in `folder`. */
export async function loadDevices(folder: string): Promise<Device[]> {
  await privateFolder(join(folder, DEVICE_FOLDER));
  const files = await readdir(join(folder, DEVICE_FOLDER));
  const ids = files
    .filter((file) => file.endsWith(DEVICE_SUFFIX))
    .map((file) => fromHex(file.slice(0, -DEVICE_SUFFIX.length), DEVICE_ID_BYTES));
  return Promise.all(ids.map((id) => loadDevice(folder, id)));
}

async function writeJson(folder: string, name: string, value: object): Promise<void> {
  await privateFolder(folder);
  const data = new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`);
  await createPrivate(join(folder, name), data);
  data.fill(0);
}

async function readJson<T>(folder: string, name: string, schema: Schema<T>): Promise<T> {
  const path = join(folder, name);
  const data = await readPrivate(path);
  if (data === undefined) throw new MozaikError('INPUT_FILE', `${path} does not exist`);
  try {
    return parseJson(data, schema, name);
  } catch {
    // No cause: what a JSON parser says quotes the text, and the text is a key.
    throw new MozaikError('STATE_CORRUPT', path);
  } finally {
    data.fill(0);
  }
}

/** Runs `make`, then wipes the seeds that it read: the keys that it made are the only copy. */
function wiping<T>(make: () => T, ...seeds: Uint8Array[]): T {
  try {
    return make();
  } finally {
    for (const seed of seeds) seed.fill(0);
  }
}
