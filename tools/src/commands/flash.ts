import { readPrivate } from '@mozaik/client';
import { MozaikError, toHex } from '@mozaik/protocol';
import { InvalidArgumentError, type Command } from 'commander';
import { parseBoard, type BoardKind } from '../flash/boards.ts';
import { flash, rehearse } from '../flash/flash.ts';
import type { ModdableOptions } from '../flash/moddable.ts';
import type { Target } from '../flash/target.ts';
import { brokerAddress } from '../simulate/members.ts';
import { untilInterrupted } from '../up/interrupt.ts';
import {
  agentOptions,
  collect,
  connectUser,
  usageError,
  wholeNumber,
  type AgentOptions,
} from './options.ts';
import { fields, note, print } from './output.ts';

interface Options extends AgentOptions {
  board: BoardKind;
  port: string;
  name: string;
  stream: number;
  ecg?: string;
  leadsOff?: string[];
  keep?: number;
  ledger?: number;
  gateway?: string;
  wifi?: string;
  dryRun?: true;
}

const HELP = `
A key is made for the board, written to it together with the code, and kept in the user's folder when the
board's self-test has passed. It is shown nowhere. The board is then registered.
Espruino boards need the "espruino" tool, Moddable boards the Moddable SDK. PUCKJS, PIXLJS, MDBT42Q, JOLTJS
and BANGLEJS2 have Bluetooth only: their samples go through "mozaik gateway". ESPRUINOWIFI and ESP32 publish
to --broker; connecting to the WiFi is left to your own program on the board. An Espruino board needs two free
pages of flash for its nonce ledger: those two do not say which are free, and need --ledger.
--keep wears the flash out: an nRF52's in weeks of continuous use. See docs/boards.md.`;

/** Each takes 5 bytes of the board's RAM. */
const KEEP_MAX = 1024;
const PIN = /^[A-Za-z]{1,2}\d{1,3}$/;

function pin(text: string): string {
  if (!PIN.test(text)) throw new InvalidArgumentError('expected a pin such as D1 or A0');
  return text;
}

const ADDRESS = /^(0x[0-9a-f]{1,8}|[0-9]{1,10})$/i;

function address(text: string): number {
  if (!ADDRESS.test(text)) throw new InvalidArgumentError('expected an address such as 0x30e000');
  return Number(text);
}

const pins = (text: string, before: string[] = []): string[] => collect(pin(text), before);

const boardKind = (text: string): BoardKind => {
  try {
    return parseBoard(text);
  } catch (error) {
    throw new InvalidArgumentError((error as MozaikError).detail ?? '');
  }
};

export function flashCommand(program: Command): void {
  const command = program
    .command('flash')
    .description('put key and code on a board, test it and register it')
    .requiredOption('--board <kind>', 'such as espruino:PUCKJS or moddable:esp32', boardKind)
    .requiredOption('--port <port>', 'serial port, tcp://host:port, or Bluetooth address')
    .requiredOption('--name <name>', 'a name for people')
    .option('--stream <n>', 'stream that it publishes to', wholeNumber(0), 0)
    .option('--ecg <pin>', "Espruino: the ECG amplifier's output", pin)
    .option(
      '--leads-off <pin>',
      'Espruino: high while an electrode is loose; may be repeated',
      pins,
    )
    .option('--keep <n>', 'keep up to n samples in flash over a power cut', wholeNumber(1))
    .option('--ledger <address>', 'Espruino: two pages of flash that nothing else uses', address)
    .option('--broker <url>', 'the MQTT broker as a board with a network reaches it')
    .option('--wifi <file>', 'Moddable: JSON with "ssid" and "password", mode 0600')
    .option('--gateway <dir>', 'let the gateway with this folder publish for the board')
    .option('--dry-run', 'do all but what concerns board, backend and keys, and show each step');
  agentOptions(command, 'user').addHelpText('after', HELP).action(run);
}

async function run(options: Options): Promise<void> {
  const { board, dryRun, json, name, stream } = options;
  checkUsage(options);
  const target = await targetOf(options);
  if (dryRun) {
    const lines: string[] = [];
    await rehearse(target, board.network, (line) => lines.push(line));
    return print(json, { steps: lines }, lines);
  }
  const signal = untilInterrupted();
  // A terminal that is closed: what is temporary is removed when the process exits.
  process.once('SIGHUP', () => process.exit(129));
  const { dir, user, api } = await connectUser(options);
  const { ecg, leadsOff = [], gateway, keep, ledger } = options;
  try {
    const { device, cipher } = await flash({
      ...{ target, api, dir, user: user.identity.id, name, stream, gateway, keep, ledger, signal },
      broker: options.broker === undefined ? undefined : boardBroker(options.broker),
      ecg: ecg === undefined ? undefined : { pin: ecg, leadsOff },
      say: note,
    });
    const shown = { device: toHex(device), name, cipher };
    print(json, shown, fields(shown));
  } catch (error) {
    if (signal.aborted) throw new MozaikError('BOARD_FAILED', 'interrupted', { cause: error });
    throw error;
  }
}

function checkUsage(options: Options): void {
  const { board, broker, gateway, ecg, leadsOff, keep, ledger, wifi, stream } = options;
  const isModdable = board.ecosystem === 'moddable';
  if (board.network && broker === undefined) {
    throw usageError('this board needs --broker, as it reaches it: not 127.0.0.1');
  }
  if (!board.network && broker !== undefined) throw usageError('this board has no network');
  if (board.network && gateway !== undefined) throw usageError('this board needs no gateway');
  if (ecg === undefined && leadsOff !== undefined) throw usageError('--leads-off goes with --ecg');
  if (!isModdable && board.network && keep !== undefined) {
    throw usageError(
      'this board does not say which flash is free: give `keep` to `connect` yourself',
    );
  }
  if (!isModdable && board.network && ledger === undefined) {
    throw usageError(
      'this board does not say which flash is free: give --ledger two pages that nothing else uses',
    );
  }
  if (isModdable && ledger !== undefined) throw usageError('--ledger is for Espruino boards');
  if (keep !== undefined && keep > KEEP_MAX) throw usageError(`--keep is at most ${KEEP_MAX}`);
  if (isModdable && ecg !== undefined) throw usageError('the pins are in the Moddable app');
  if (!isModdable && wifi !== undefined) throw usageError('--wifi is for Moddable boards');
  if (stream > 0xffff) throw usageError('--stream is at most 65535');
  if (isModdable && !broker?.startsWith('mqtts:')) throw usageError('--broker has to be mqtts:');
}

function boardBroker(url: string): { host: string; port: number; tls: boolean } {
  const { host, port, tls } = brokerAddress(url);
  return { host, port, tls: tls !== undefined };
}

/** Loads what is needed only here: compilers, which would make every other command start slowly. */
async function targetOf({ board, port, ecg, keep, wifi }: Options): Promise<Target> {
  if (board.ecosystem === 'espruino') {
    const { espruinoTarget } = await import('../flash/espruino.ts');
    return espruinoTarget({ ...board, port, ecg: ecg !== undefined, keep: keep !== undefined });
  }
  const { moddableTarget } = await import('../flash/moddable.ts');
  const network = wifi === undefined ? undefined : await readWifi(wifi);
  return moddableTarget({ platform: board.platform, port, wifi: network });
}

/** @throws MozaikError INPUT_FILE, without quoting it */
async function readWifi(file: string): Promise<ModdableOptions['wifi']> {
  const bytes = await readPrivate(file);
  try {
    const { ssid, password } = JSON.parse(new TextDecoder().decode(bytes)) as Record<
      string,
      unknown
    >;
    if (typeof ssid === 'string' && typeof password === 'string') return { ssid, password };
  } catch {
    // Refused below.
  }
  throw new MozaikError('INPUT_FILE', `${file} is not JSON with "ssid" and "password"`);
}
