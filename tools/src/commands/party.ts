import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { loadPartyKeys, Party, type PartyConfig, type PartyEvent } from '@mozaik/mpc';
import { integer, MozaikError, struct, text, toHex, verifyParty } from '@mozaik/protocol';
import type { Command } from 'commander';
import { aborted, untilInterrupted } from '../up/interrupt.ts';
import { checkNodeConfig, formatNodeEvent, readConfig } from './config-file.ts';
import { jsonOption } from './options.ts';
import { fields, note, print, printJson } from './output.ts';

const KEYS_FILE = 'party-keys.json';
const DESCRIPTOR_FILE = 'descriptor.cbor';

const URL_MAX = 2048;
const PEER_TIMEOUT_MAX_MS = 600_000;

const requiredFields = {
  dataDir: text(4096),
  name: text(64),
  host: text(255),
  port: integer(0, 65_535),
  backendUrl: text(URL_MAX),
  mqttUrl: text(URL_MAX),
  audience: text(255),
};
const configSchema = struct(requiredFields);
const configWithTimeout = struct({
  ...requiredFields,
  peerTimeoutMs: integer(1, PEER_TIMEOUT_MAX_MS),
});

const CONFIG_HELP = `
The file is a JSON object with "dataDir" (relative to the current folder), "name", "host" and "port"
(where other parties reach it; part of what users pin), "backendUrl", "mqttUrl" and "audience" (the
backend's), and perhaps "peerTimeoutMs". The signed descriptor that users pin is written to
${DESCRIPTOR_FILE} in dataDir.`;

export function partyCommand(program: Command): void {
  const party = program
    .command('party')
    .description('one of the three who compute together and learn nothing');
  createCommand(party);
  showCommand(party);
  runCommand(party);
}

interface FolderOptions {
  data: string;
  json?: true;
}

function createCommand(party: Command): void {
  const command = party
    .command('create')
    .description('make the keys of a party')
    .requiredOption('--data <dir>', 'folder of the party, made if missing');
  jsonOption(command).action(async ({ data, json }: FolderOptions) => {
    if (existsSync(path.join(data, KEYS_FILE))) {
      throw new MozaikError('CONFLICT', `${data} holds the keys of a party`);
    }
    const { identity, tlsFingerprint } = await loadPartyKeys(data);
    const shown = { party: toHex(identity.id), tlsFingerprint: toHex(tlsFingerprint) };
    print(json, shown, fields({ party: shown.party, 'TLS key': shown.tlsFingerprint }));
  });
}

function showCommand(party: Command): void {
  const command = party
    .command('show')
    .description('show who a party is, and the descriptor that users pin')
    .requiredOption('--data <dir>', 'folder of the party');
  jsonOption(command).action(async ({ data, json }: FolderOptions) => {
    if (!existsSync(path.join(data, KEYS_FILE))) {
      throw new MozaikError('INPUT_FILE', `${data} holds no keys of a party`);
    }
    const { identity, tlsFingerprint } = await loadPartyKeys(data);
    const file = path.join(data, DESCRIPTOR_FILE);
    const pin = existsSync(file) ? verifyParty(new Uint8Array(await readFile(file))) : undefined;
    const shown = {
      party: toHex(identity.id),
      tlsFingerprint: toHex(tlsFingerprint),
      name: pin?.value.name ?? null,
      host: pin?.value.host ?? null,
      port: pin?.value.port ?? null,
      descriptorFile: pin ? file : null,
      descriptor: pin ? toHex(pin.hash) : null,
    };
    print(
      json,
      shown,
      fields({
        party: shown.party,
        'TLS key': shown.tlsFingerprint,
        ...(pin
          ? {
              name: pin.value.name,
              address: `${pin.value.host}:${pin.value.port}`,
              'descriptor file': file,
              'its hash': toHex(pin.hash),
            }
          : { descriptor: 'not yet: it is written when the party first runs' }),
      }),
    );
  });
}

function checkConfig(value: object, file: string): PartyConfig {
  const schema = 'peerTimeoutMs' in value ? configWithTimeout : configSchema;
  return checkNodeConfig(schema, value, file);
}

function runCommand(party: Command): void {
  party
    .command('run')
    .description('run a party until Ctrl-C')
    .requiredOption('--config <file>', 'its options, JSON')
    .option('--json', 'print one JSON document per line and event, with a field "event"')
    .addHelpText('after', CONFIG_HELP)
    .action(async ({ config: file, json }: { config: string; json?: true }) => {
      const signal = untilInterrupted();
      const config = checkConfig(await readConfig(file), file);
      const log = (event: PartyEvent) => {
        if (json) printJson(event);
        // Its depth changes twice with every job of a stream: that is for machines.
        else if (event.event !== 'pool') note(formatNodeEvent(event));
      };
      const running = await Party.open({ ...config, log });
      const descriptorFile = path.join(config.dataDir, DESCRIPTOR_FILE);
      await writeFile(descriptorFile, running.descriptor);
      if (json) printJson({ event: 'ready', party: toHex(running.id), descriptorFile });
      else print(json, {}, fields({ party: toHex(running.id), descriptor: descriptorFile }));
      await running.start();
      await aborted(signal);
      await running.close();
    });
}
