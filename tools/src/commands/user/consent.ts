import { giveConsent, loadDevices, revokeConsent, type Api } from '@mozaik/client';
import { MozaikError, toHex, verifyConsent, type Adversary } from '@mozaik/protocol';
import type { Command } from 'commander';
import {
  adversaryOption,
  agentOptions,
  chooseParties,
  connectUser,
  hash,
  isoTime,
  partyIds,
  pathOption,
  usageError,
  wholeNumber,
  type AgentOptions,
} from '../options.ts';
import { isoText, print, table } from '../output.ts';
import type { ComputePath } from '../../stack/stack.ts';
import { findDevice } from './device.ts';

const DAY_MS = 86_400_000;

interface GiveOptions extends AgentOptions {
  device: string;
  model: Uint8Array;
  parties?: Uint8Array[];
  stream: number;
  once?: true;
  from?: number;
  to?: number;
  expires?: number;
  adversary: Adversary;
  path: ComputePath;
}

export function consentCommands(user: Command): void {
  const consent = user.command('consent').description('what may be computed, on what, and by whom');
  giveCommand(consent);
  listCommand(consent);
  revokeCommand(consent);
}

function giveCommand(group: Command): void {
  const command = group
    .command('give')
    .description('allow three pinned parties, or one server, to classify heartbeats of a device')
    .requiredOption('--device <device>', 'name or id of the device')
    .requiredOption('--model <hash>', 'the model, see "mozaik user models"', hash)
    .option(
      '--parties <id...>',
      'ids of the parties or the server (default: those that are pinned)',
      partyIds,
    )
    .addOption(pathOption())
    .option('--stream <n>', 'stream of the device', wholeNumber(0), 0)
    .option('--once', 'one analysis of what is stored (default: of heartbeats as they come)')
    .option(
      '--from <time>',
      'first time, ISO 8601 (default: now; with --once a day before --to)',
      isoTime,
    )
    .option(
      '--to <time>',
      'end of the time (default: a day after --from; with --once now)',
      isoTime,
    )
    .option(
      '--expires <time>',
      'when the consent ends (default: in a day; else a day after --to)',
      isoTime,
    )
    .addOption(adversaryOption());
  agentOptions(command, 'user').action(async (options: GiveOptions) => {
    const { api, user, pins, dir } = await connectUser(options);
    const { model, stream, once, expires, adversary, json } = options;
    const device = findDevice(await loadDevices(dir), options.device);
    const parties = await chooseParties(pins, options.path, options.parties);
    const { from, to } = windowOf(options, Date.now());
    const consent = await giveConsent(api, user, device, pins, {
      mode: once ? 'once' : 'streaming',
      stream,
      from,
      to,
      parties,
      model,
      adversary,
      ...(expires === undefined ? {} : { expires }),
    });
    print(json, { consent: toHex(consent) }, [`consent ${toHex(consent)}`]);
  });
}

/** The window that the options name: forwards from now, or for a one-off back from now. */
function windowOf({ once, ...given }: GiveOptions, now: number): { from: number; to: number } {
  const to = given.to ?? (once ? now : (given.from ?? now) + DAY_MS);
  const from = given.from ?? (once ? to - DAY_MS : now);
  if (from >= to) throw usageError(`--from ${isoText(from)} is not before --to ${isoText(to)}`);
  return { from, to };
}

interface ConsentEntry {
  consent: string;
  mode: string;
  state: string;
  expires: string;
  device: string;
  stream: number;
  from: string;
  to: string;
  model: string;
  protocol: string;
}

/** The consents with what is in them, which the user has signed. */
async function consentEntries(api: Api): Promise<ConsentEntry[]> {
  const entries: ConsentEntry[] = [];
  for (const { consent, state } of await api.consents()) {
    const { value, hash: found } = verifyConsent(await api.consent(consent));
    if (toHex(found) !== toHex(consent)) {
      throw new MozaikError('ENCODING_INVALID', `asked for consent ${toHex(consent)}, got another`);
    }
    entries.push({
      consent: toHex(consent),
      mode: value.mode,
      state,
      expires: isoText(value.expires),
      device: toHex(value.device),
      stream: value.stream,
      from: isoText(value.from),
      to: isoText(value.to),
      model: toHex(value.model),
      protocol: value.protocol,
    });
  }
  return entries;
}

function listCommand(group: Command): void {
  const command = group.command('list').description('list the consents');
  agentOptions(command, 'user').action(async (options: AgentOptions) => {
    const { api, dir } = await connectUser(options);
    const names = new Map((await loadDevices(dir)).map(({ id, name }) => [toHex(id), name]));
    const consents = await consentEntries(api);
    const rows = consents.map((entry) => {
      const { consent, mode, state, from, to, device } = entry;
      return [consent, mode, state, from, to, names.get(device) ?? device];
    });
    const heading = ['consent', 'mode', 'state', 'from', 'to', 'device'];
    print(options.json, { consents }, table([heading, ...rows]));
  });
}

function revokeCommand(group: Command): void {
  const command = group
    .command('revoke')
    .argument('<hash>', 'hash of the consent', hash)
    .description('end a consent: its key shares are deleted and its jobs stop');
  agentOptions(command, 'user').action(async (consent: Uint8Array, options: AgentOptions) => {
    const { api, user } = await connectUser(options);
    await revokeConsent(api, user, consent);
    print(options.json, { consent: toHex(consent) }, [`consent ${toHex(consent)} is revoked`]);
  });
}
