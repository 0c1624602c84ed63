/**
 * The people around a local stack, each with a folder of their own: a user with pinned parties, and a
 * model provider who has dealt a model. Made at the first start, loaded at the next ones.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import {
  Api,
  createDevice,
  createProviderFile,
  createUserFile,
  dealModel,
  loadDevices,
  loadProvider,
  loadUser,
  pinFile,
  pinsInFolder,
  saveDevice,
  type Device,
  type Labels,
  type Pins,
  type User,
} from '@mozaik/client';
import type { FixedModel } from '@mozaik/mpc';
import { fromHex, HASH_BYTES, toHex } from '@mozaik/protocol';
import { AAMI_CLASSES, CLASS_NAMES, isAnomaly } from '../ecg/index.ts';
import { readModelFile } from '../model/index.ts';
import type { Stack } from './stack.ts';

/** The model that ships with the project. */
export const SHIPPED_MODEL = path.resolve(import.meta.dirname, '../../models/mlp-187-64-32-5.json');

export interface Household {
  user: User;
  /** Folder of the user's keys, pins and devices. */
  userDir: string;
  api: Api;
  pins: Pins;
  /** Ids of the three pinned parties. */
  parties: Uint8Array[];
  /** The model in the clear, for comparison: no component of the stack holds it. */
  model: FixedModel;
  /** The commitment that consents name. */
  modelHash: Uint8Array;
}

/** @throws MozaikError when a file is damaged, or the backend refuses something */
export async function openHousehold(
  stack: Stack,
  dataDir: string,
  modelFile = SHIPPED_MODEL,
): Promise<Household> {
  const userDir = path.join(dataDir, 'user');
  const user = await loadOrCreate(
    path.join(userDir, 'user.json'),
    userDir,
    loadUser,
    createUserFile,
  );
  const api = new Api({
    url: stack.httpUrl,
    audience: stack.audience,
    identity: user.identity,
    role: 'user',
  });
  const pins = pinsInFolder(userDir);
  const parties: Uint8Array[] = [];
  for (const file of stack.descriptorFiles) parties.push((await pinFile(pins, file)).value.party);
  const { model } = await readModelFile(modelFile);
  const modelHash = await dealOnce(stack, path.join(dataDir, 'provider'), model, pins, parties);
  return { user, userDir, api, pins, parties, model, modelHash };
}

/** The user's devices "board 1" to "board `count`", made where missing. */
export async function openBoards(userDir: string, count: number): Promise<Device[]> {
  const held = await loadDevices(userDir);
  const boards: Device[] = [];
  for (let n = 1; n <= count; n++) {
    const name = `board ${n}`;
    let board = held.find((device) => device.name === name);
    if (board === undefined) {
      board = createDevice(name);
      await saveDevice(userDir, board);
    }
    boards.push(board);
  }
  return boards;
}

/** What the outputs of a heartbeat model are called. */
export const MODEL_LABELS: Labels = {
  classes: AAMI_CLASSES.map((label) => CLASS_NAMES[label]),
  anomalies: AAMI_CLASSES.flatMap((label, index) => (isAnomaly(label) ? [index] : [])),
};

async function loadOrCreate<T>(
  file: string,
  folder: string,
  load: (folder: string) => Promise<T>,
  create: (folder: string) => Promise<T>,
): Promise<T> {
  return existsSync(file) ? load(folder) : create(folder);
}

/** Deals the model to the parties, unless the same model was dealt to them before. */
async function dealOnce(
  stack: Stack,
  folder: string,
  model: FixedModel,
  pins: Pins,
  parties: Uint8Array[],
): Promise<Uint8Array> {
  const identity = await loadOrCreate(
    path.join(folder, 'provider.json'),
    folder,
    loadProvider,
    createProviderFile,
  );
  const content = createHash('sha256');
  for (const layer of [...model.weights, ...model.biases]) content.update(layer);
  const record = path.join(folder, `dealt-${content.digest('hex').slice(0, 32)}`);
  if (existsSync(record)) return fromHex((await readFile(record, 'utf8')).trim(), HASH_BYTES);

  const api = new Api({ url: stack.httpUrl, audience: stack.audience, identity, role: 'provider' });
  const hash = await dealModel(api, pins, model, MODEL_LABELS, parties);
  await writeFile(`${record}.new`, `${toHex(hash)}\n`);
  await rename(`${record}.new`, record);
  return hash;
}

/** The token that a device connects to the broker with; an earlier one ends. */
export function deviceToken(api: Api, device: Device): Promise<string> {
  return api.registerDevice(device.id, device.name);
}
