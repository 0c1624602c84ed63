import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import {
  DESCRIPTOR_FILE,
  KEYS_FILE,
  loadServerKeys,
  Server,
  type ServerConfig,
  type ServerEvent,
} from '@mozaik/fhe/node';
import { integer, MozaikError, struct, text, toHex, verifyServer } from '@mozaik/protocol';
import type { Command } from 'commander';
import { aborted, untilInterrupted } from '../up/interrupt.ts';
import { checkNodeConfig, formatNodeEvent, readConfig } from './config-file.ts';
import { jsonOption } from './options.ts';
import { fields, note, print, printJson } from './output.ts';

const URL_MAX = 2048;
const WORKERS_MAX = 64;
const TIMEOUT_MAX_MS = 600_000;

const schemas = {
  required: {
    dataDir: text(4096),
    name: text(64),
    backendUrl: text(URL_MAX),
    mqttUrl: text(URL_MAX),
    audience: text(255),
  },
  optional: { workers: integer(1, WORKERS_MAX), timeoutMs: integer(1, TIMEOUT_MAX_MS) },
};

const CONFIG_HELP = `
The file is a JSON object with "dataDir" (relative to the current folder), "name", "backendUrl",
"mqttUrl" and "audience" (the backend's), and perhaps "workers" (threads that compute, 1 if left out)
and "timeoutMs" (for one job). The signed descriptor that users pin is written to ${DESCRIPTOR_FILE} in
dataDir.`;

export function fheCommand(program: Command): void {
  const fhe = program
    .command('fhe')
    .description('the server that computes on homomorphic ciphertexts and cannot read them');
  createCommand(fhe);
  showCommand(fhe);
  runCommand(fhe);
}

interface FolderOptions {
  data: string;
  json?: true;
}

function createCommand(fhe: Command): void {
  const command = fhe
    .command('create')
    .description('make the keys of a server')
    .requiredOption('--data <dir>', 'folder of the server, made if missing');
  jsonOption(command).action(async ({ data, json }: FolderOptions) => {
    if (existsSync(path.join(data, KEYS_FILE))) {
      throw new MozaikError('CONFLICT', `${data} holds the keys of a server`);
    }
    const shown = { server: toHex((await loadServerKeys(data)).identity.id) };
    print(json, shown, fields(shown));
  });
}

function showCommand(fhe: Command): void {
  const command = fhe
    .command('show')
    .description('show who a server is, and the descriptor that users pin')
    .requiredOption('--data <dir>', 'folder of the server');
  jsonOption(command).action(async ({ data, json }: FolderOptions) => {
    if (!existsSync(path.join(data, KEYS_FILE))) {
      throw new MozaikError('INPUT_FILE', `${data} holds no keys of a server`);
    }
    const { identity } = await loadServerKeys(data);
    const file = path.join(data, DESCRIPTOR_FILE);
    const pin = existsSync(file) ? verifyServer(new Uint8Array(await readFile(file))) : undefined;
    const shown = {
      server: toHex(identity.id),
      name: pin?.value.name ?? null,
      descriptorFile: pin ? file : null,
      descriptor: pin ? toHex(pin.hash) : null,
    };
    print(
      json,
      shown,
      fields({
        server: shown.server,
        ...(pin
          ? { name: pin.value.name, 'descriptor file': file, 'its hash': toHex(pin.hash) }
          : { descriptor: 'not yet: it is written when the server first runs' }),
      }),
    );
  });
}

function checkConfig(value: object, file: string): ServerConfig {
  const { required, optional } = schemas;
  const given = Object.entries(optional).filter(([name]) => Object.hasOwn(value, name));
  return checkNodeConfig(struct({ ...required, ...Object.fromEntries(given) }), value, file);
}

function runCommand(fhe: Command): void {
  fhe
    .command('run')
    .description('run a server until Ctrl-C')
    .requiredOption('--config <file>', 'its options, JSON')
    .option('--json', 'print one JSON document per line and event, with a field "event"')
    .addHelpText('after', CONFIG_HELP)
    .action(async ({ config: file, json }: { config: string; json?: true }) => {
      const signal = untilInterrupted();
      const config = checkConfig(await readConfig(file), file);
      const log = (event: ServerEvent) => (json ? printJson(event) : note(formatNodeEvent(event)));
      const running = await Server.open({ ...config, log });
      const server = toHex(running.id);
      const descriptorFile = path.join(config.dataDir, DESCRIPTOR_FILE);
      if (json) printJson({ event: 'ready', server, descriptorFile });
      else print(json, {}, fields({ server, descriptor: descriptorFile }));
      await running.start();
      await aborted(signal);
      await running.close();
    });
}
