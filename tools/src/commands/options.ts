/** Parsers of command-line values, and the options that several commands share. */
import path from 'node:path';
import { Api, loadUser, pinsInFolder, type Pins, type User } from '@mozaik/client';
import {
  ADVERSARIES,
  equalBytes,
  fromHex,
  HASH_BYTES,
  ID_BYTES,
  isParty,
  PARTY_COUNT,
  toHex,
  type Identity,
} from '@mozaik/protocol';
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { ComputePath } from '../stack/stack.ts';
import { stackAddresses } from '../up/addresses.ts';

/** Folder of the local stack that `mozaik up` keeps its state in. */
export const DEFAULT_DATA_DIR = '.mozaik';

/** A mistake in how a command was called, found after its options were parsed. */
export const usageError = (message: string) => new InvalidArgumentError(message);

/** A whole number from `min` on, below 2^31. */
export const wholeNumber =
  (min: number) =>
  (text: string): number => {
    const value = Number(text);
    if (!/^\d{1,10}$/.test(text) || value < min || value >= 2 ** 31) {
      throw new InvalidArgumentError(`expected a whole number from ${min} on`);
    }
    return value;
  };

/** `--adversary`: what the protocol must withstand. */
export const adversaryOption = (): Option =>
  new Option('--adversary <kind>', 'corrupted party that the protocol withstands')
    .choices(ADVERSARIES)
    .default('malicious');

/** 1 to 2^31 - 1. */
export const positiveInteger = wholeNumber(1);

/** A decimal number from `min` to `max`. */
export const numberWithin =
  (min: number, max: number) =>
  (text: string): number => {
    const value = Number(text);
    if (!/^\d+(\.\d+)?$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`expected a number from ${min} to ${max}`);
    }
    return value;
  };

const hex = (bytes: number, what: string) => (text: string) => {
  if (!new RegExp(`^[0-9a-f]{${2 * bytes}}$`).test(text)) {
    throw new InvalidArgumentError(`expected ${what}: ${2 * bytes} lower-case hexadecimal digits`);
  }
  return fromHex(text, bytes);
};

/** Hash of a consent, a model or a descriptor. */
export const hash = hex(HASH_BYTES, 'a hash');
/** Id of a party. */
export const partyId = hex(ID_BYTES, 'an id');

/** Collects the ids of a repeated or variadic option. */
export const partyIds = (text: string, ids: Uint8Array[] = []): Uint8Array[] => [
  ...ids,
  partyId(text),
];

/** Collects the values of a repeated or variadic option. */
export const collect = (text: string, values: string[] = []): string[] => [...values, text];

const ISO_TIME = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d))?$/;

/** ISO 8601 with a time zone, or a date, which begins at 00:00 UTC; ms since 1970. */
export function isoTime(text: string): number {
  const time = ISO_TIME.test(text) ? Date.parse(text) : NaN;
  if (Number.isNaN(time) || time < 0) {
    throw new InvalidArgumentError('expected a time such as 2025-06-30T14:00Z or a date');
  }
  return time;
}

export const jsonOption = (command: Command): Command =>
  command.option('--json', 'print one JSON document on standard output, and nothing else there');

/** What {@link agentOptions} adds to a command. */
export interface AgentOptions {
  data?: string;
  dir?: string;
  backend?: string;
  audience?: string;
  broker?: string;
  json?: true;
}

/** Options of the commands that only read or write the folder of a user or a model provider. */
export const folderOptions = (command: Command, who: 'user' | 'provider'): Command =>
  jsonOption(
    command
      .option('--dir <dir>', `folder of the ${who}'s keys and pins`)
      .option(
        '--data <dir>',
        `take what is not given from the local stack in this folder (default: ${DEFAULT_DATA_DIR}, without --dir)`,
      ),
  );

/** Options of the commands of a user or a model provider that talk to a backend. */
export const agentOptions = (command: Command, who: 'user' | 'provider'): Command =>
  folderOptions(
    command
      .option('--backend <url>', 'address of the backend, such as https://mozaik.example')
      .option('--audience <name>', 'name of the backend that logins are signed for'),
    who,
  );

/** {@link agentOptions} for a command that listens at the broker too. */
export const brokerOption = (command: Command): Command =>
  command.option('--broker <url>', 'address of the MQTT broker, such as mqtts://mozaik.example');

const isUrl = (text: string, ...schemes: string[]): boolean =>
  URL.canParse(text) && schemes.includes(new URL(text).protocol);

/** The local stack that an agent's options name or imply; undefined when they name their own folder. */
async function localStack({ data, dir }: AgentOptions) {
  if (data === undefined && dir !== undefined) return undefined;
  const folder = data ?? DEFAULT_DATA_DIR;
  const addresses = await stackAddresses(folder);
  if (addresses === undefined) {
    const hint = data === undefined ? ': give --dir, or --data with the folder of a stack' : '';
    throw usageError(`there is no local stack in ${folder}${hint}`);
  }
  return { folder, ...addresses };
}

/** The folder that an agent's options name. */
export async function agentDir(options: AgentOptions, who: 'user' | 'provider'): Promise<string> {
  return options.dir ?? path.join((await localStack(options))!.folder, who);
}

/** Address and name of the backend that an agent's options name. */
export async function backendOf(options: AgentOptions): Promise<{ url: string; audience: string }> {
  const local = await localStack(options);
  const url = options.backend ?? local?.httpUrl;
  const audience = options.audience ?? local?.audience;
  if (url === undefined || audience === undefined) {
    throw usageError('--dir goes with --backend and --audience, or with --data');
  }
  if (!isUrl(url, 'http:', 'https:')) throw usageError('--backend takes an http or https address');
  return { url, audience };
}

/** Address of the broker that an agent's options name. */
export async function brokerOf(options: AgentOptions): Promise<string> {
  const url = options.broker ?? (await localStack(options))?.mqttUrl;
  if (url === undefined) throw usageError('--dir goes with --broker, or with --data');
  if (!isUrl(url, 'mqtt:', 'mqtts:')) throw usageError('--broker takes an mqtt or mqtts address');
  return url;
}

/** A user at the command line. */
export interface Agent {
  dir: string;
  user: User;
  pins: Pins;
}

/** The user whose folder the options name. */
export async function openUser(options: AgentOptions): Promise<Agent> {
  const dir = await agentDir(options, 'user');
  return { dir, user: await loadUser(dir), pins: pinsInFolder(dir) };
}

/** A client of the backend that the options name. */
export const openApi = async (
  options: AgentOptions,
  identity: Identity,
  role: 'user' | 'provider',
): Promise<Api> => new Api({ ...(await backendOf(options)), identity, role });

/** {@link openUser} with a client of the backend. */
export async function connectUser(options: AgentOptions): Promise<Agent & { api: Api }> {
  const agent = await openUser(options);
  return { ...agent, api: await openApi(options, agent.user.identity, 'user') };
}

/** Who computes under a consent or with a model: three parties, or one server. */
export const COMPUTE_PATHS: readonly ComputePath[] = ['joint', 'fhe'];

/** `--path`: joint or homomorphic computation. */
export const pathOption = (): Option =>
  new Option('--path <path>', 'joint computation by three parties, or homomorphic by one server')
    .choices(COMPUTE_PATHS)
    .default('joint');

/** Those that were given, or those that are pinned: three parties, or one server. */
export async function chooseParties(
  pins: Pins,
  path: ComputePath,
  given?: Uint8Array[],
): Promise<Uint8Array[]> {
  const [count, what] = path === 'joint' ? [PARTY_COUNT, 'parties'] : [1, 'servers'];
  const pinned = (await pins.list()).map(({ value }) => value);
  const chosen =
    given ??
    pinned.filter((value) => isParty(value) === (path === 'joint')).map(({ party }) => party);
  if (chosen.length !== count) {
    throw usageError(
      given === undefined
        ? `${chosen.length} ${what} are pinned: name ${count} with --parties`
        : `--parties takes ${count} ${count === 1 ? 'id' : 'ids'}`,
    );
  }
  const repeated = chosen.find((id, i) =>
    chosen.some((other, k) => k < i && equalBytes(id, other)),
  );
  if (repeated) throw usageError(`party ${toHex(repeated)} is named twice`);
  return chosen;
}
