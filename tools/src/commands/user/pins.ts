import { readFile } from 'node:fs/promises';
import { pinFile, type Pin } from '@mozaik/client';
import { isParty, toHex } from '@mozaik/protocol';
import type { Command } from 'commander';
import {
  agentOptions,
  connectUser,
  folderOptions,
  hash,
  openUser,
  partyId,
  usageError,
  type AgentOptions,
} from '../options.ts';
import { fields, print } from '../output.ts';

interface PinOptions extends AgentOptions {
  descriptor?: string;
  party?: Uint8Array;
  firstUse?: true;
  replace?: Uint8Array;
}

export function pinCommands(user: Command): void {
  pinCommand(user);
  const list = user.command('pins').description('list the pinned parties');
  folderOptions(list, 'user').action(async (options: AgentOptions) => {
    const { pins } = await openUser(options);
    const held = await pins.list();
    print(
      options.json,
      { pins: held.map(describe) },
      held.flatMap((pin, i) => (i === 0 ? linesOf(pin) : ['', ...linesOf(pin)])),
    );
  });
}

function pinCommand(user: Command): void {
  const command = user
    .command('pin')
    .description('pin a party: nothing is ever sealed to one that is not pinned')
    .option('--descriptor <file>', 'signed descriptor, got from the party by a way you trust')
    .option(
      '--party <id>',
      'party whose descriptor the backend is asked for; with --first-use',
      partyId,
    )
    .option('--first-use', "take the backend's word for the address and keys of --party, this once")
    .option('--replace <hash>', 'hash of the pinned descriptor that --descriptor replaces', hash);
  agentOptions(command, 'user').action(async (options: PinOptions) => {
    const { descriptor, party, firstUse, replace, json } = options;
    let pin: Pin;
    if (descriptor !== undefined && party === undefined && !firstUse) {
      const { pins } = await openUser(options);
      pin =
        replace === undefined
          ? await pinFile(pins, descriptor)
          : await pins.change(new Uint8Array(await readFile(descriptor)), replace);
    } else if (descriptor === undefined && party !== undefined && firstUse && !replace) {
      const { api, pins } = await connectUser(options);
      pin = await pins.pinOnFirstUse(api, party);
    } else {
      throw usageError('give --descriptor FILE (perhaps --replace), or --party ID --first-use');
    }
    print(json, describe(pin), linesOf(pin));
  });
}

/** A server of homomorphic ciphertexts has no address: nobody connects to it. */
const describe = ({ value, hash: descriptor }: Pin) => ({
  party: toHex(value.party),
  role: isParty(value) ? 'party' : 'server',
  name: value.name,
  host: isParty(value) ? value.host : null,
  port: isParty(value) ? value.port : null,
  descriptor: toHex(descriptor),
  tlsFingerprint: isParty(value) ? toHex(value.tlsFingerprint) : null,
});

function linesOf(pin: Pin): string[] {
  const { party, role, name, host, port, descriptor, tlsFingerprint } = describe(pin);
  return fields({
    [role]: party,
    name,
    ...(tlsFingerprint === null ? {} : { address: `${host}:${port}` }),
    descriptor,
    ...(tlsFingerprint === null ? {} : { 'TLS key': tlsFingerprint }),
  });
}
