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
  dealSquareModel,
  Keyring,
  keysInFolder,
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
import * as homomorphicScheme from '@mozaik/fhe/client';
import { fromHex, HASH_BYTES, MozaikError, toHex } from '@mozaik/protocol';
import { AAMI_CLASSES, CLASS_NAMES, isAnomaly } from '../ecg/index.ts';
import { readModelFile } from '../model/index.ts';
import type { FloatModel } from '../model/network.ts';
import type { Stack } from './stack.ts';

const MODELS = path.resolve(import.meta.dirname, '../../models');
/** The model that ships with the project. */
export const SHIPPED_MODEL = path.join(MODELS, 'mlp-187-64-32-5.json');
/** The one for the homomorphic path: with squares between its layers. */
export const SHIPPED_SQUARE_MODEL = path.join(MODELS, 'square-187-64-5.json');

/** A user at work with a backend. */
export interface Person {
  user: User;
  /** Folder of the user's keys, pins and devices. */
  userDir: string;
  api: Api;
  pins: Pins;
}

export interface Household extends Person {
  /** Ids of the three pinned parties. */
  parties: Uint8Array[];
  /** The model in the clear, for comparison: no component of the stack holds it. */
  model: FixedModel;
  /** The commitment that consents name. */
  modelHash: Uint8Array;
}

/** A user on the homomorphic path: with a pinned server, a model sealed to it, and keys of their own. */
export interface HomomorphicHousehold extends Person {
  /** Id of the pinned server. */
  server: Uint8Array;
  /** The model in the clear, for comparison. */
  name: string;
  float: FloatModel;
  /** The commitment that consents name. */
  modelHash: Uint8Array;
  keyring: Keyring;
}

/** The user of a stack, made at its first start. */
async function openPerson(stack: Stack, dataDir: string): Promise<Person> {
  const userDir = path.join(dataDir, 'user');
  const user = await loadOrCreate(
    path.join(userDir, 'user.json'),
    userDir,
    loadUser,
    createUserFile,
  );
  const { httpUrl: url, audience } = stack;
  const api = new Api({ url, audience, identity: user.identity, role: 'user' });
  return { user, userDir, api, pins: pinsInFolder(userDir) };
}

/** @throws MozaikError when a file is damaged, or the backend refuses something */
export async function openHousehold(
  stack: Stack,
  dataDir: string,
  modelFile = SHIPPED_MODEL,
): Promise<Household> {
  const person = await openPerson(stack, dataDir);
  const { pins } = person;
  const parties: Uint8Array[] = [];
  for (const file of stack.descriptorFiles) parties.push((await pinFile(pins, file)).value.party);
  const { model } = await readModelFile(modelFile);
  const deal = (api: Api) => dealModel(api, pins, model, MODEL_LABELS, parties);
  const modelHash = await dealOnce(stack, path.join(dataDir, 'provider'), model, deal);
  return { ...person, parties, model, modelHash };
}

/** As {@link openHousehold}, for a stack with a server of homomorphic ciphertexts. */
export async function openHomomorphicHousehold(
  stack: Stack,
  dataDir: string,
  modelFile = SHIPPED_SQUARE_MODEL,
): Promise<HomomorphicHousehold> {
  const person = await openPerson(stack, dataDir);
  const { pins, user, userDir } = person;
  const server = (await pinFile(pins, stack.serverDescriptorFile)).value.party;
  const { name, float } = await readSquareModel(modelFile);
  const deal = (api: Api) => dealSquareModel(api, pins, { name, ...float }, MODEL_LABELS, server);
  const modelHash = await dealOnce(stack, path.join(dataDir, 'provider'), float, deal);
  const keyring = new Keyring(keysInFolder(userDir), homomorphicScheme, user.identity);
  return { ...person, server, name, float, modelHash, keyring };
}

/** A model for the homomorphic path. @throws MozaikError INPUT_FILE when it is for the other */
export async function readSquareModel(file: string): Promise<{ name: string; float: FloatModel }> {
  const { model, float } = await readModelFile(file);
  if (float.activation !== 'square') {
    throw new MozaikError('INPUT_FILE', `${file} has no squares between its layers`);
  }
  return { name: model.name, float };
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

/** Deals a model, unless the same model was dealt before. */
async function dealOnce(
  stack: Stack,
  folder: string,
  model: { weights: (Int32Array | Float32Array)[]; biases: (Int32Array | Float32Array)[] },
  deal: (api: Api) => Promise<Uint8Array>,
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

  const { httpUrl: url, audience } = stack;
  const hash = await deal(new Api({ url, audience, identity, role: 'provider' }));
  await writeFile(`${record}.new`, `${toHex(hash)}\n`);
  await rename(`${record}.new`, record);
  return hash;
}

/** The token that a device connects to the broker with; an earlier one ends. */
export function deviceToken(api: Api, device: Device): Promise<string> {
  return api.registerDevice(device.id, device.name);
}
