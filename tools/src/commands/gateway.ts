import { Api, loadDevices } from '@mozaik/client';
import { toHex } from '@mozaik/protocol';
import { Option, type Command } from 'commander';
import { loadNoble, listenBluetooth } from '../gateway/bluetooth.ts';
import { saveCredential } from '../gateway/credentials.ts';
import { Gateway, type GatewayEvent } from '../gateway/gateway.ts';
import type { LinkSource } from '../gateway/link.ts';
import { listenSerial } from '../gateway/serial.ts';
import { listenTcp } from '../gateway/tcp.ts';
import { brokerAddress } from '../simulate/members.ts';
import { aborted, untilInterrupted } from '../up/interrupt.ts';
import {
  agentOptions,
  collect,
  connectUser,
  jsonOption,
  positiveInteger,
  usageError,
  wholeNumber,
  type AgentOptions,
} from './options.ts';
import { fields, note, print, printJson, printLine } from './output.ts';
import { findDevice } from './user/device.ts';

const ADMIT_HELP = `
A gateway serves only boards that were admitted. What it gets of a board is its MQTT password, in a file
of mode 0600: with it one can publish as this board, and read nothing. The board's earlier password ends.
Take DIR/boards to where the gateway runs, if that is another machine.`;

const RUN_HELP = `
It forwards encrypted samples to the broker and tells a board what the store has; until then the board
keeps them, and so does the gateway in DIR, over restarts. It can read none of them.
Bluetooth needs "npm install --no-save @stoprocent/noble@2".`;

export function gatewayCommand(program: Command): void {
  const gateway = program
    .command('gateway')
    .description('forwards the samples of boards that only have Bluetooth');
  runCommand(gateway);
  admitCommand(gateway);
}

interface RunOptions {
  dir: string;
  broker: string;
  bluetooth?: true;
  serial?: string[];
  baud: number;
  listen?: number;
  host: string;
  json?: true;
}

const dirOption = (command: Command): Command =>
  command.requiredOption('--into <dir>', "the gateway's folder");

function runCommand(group: Command): void {
  const command = group
    .command('run', { isDefault: true })
    .description('run a gateway until Ctrl-C')
    .requiredOption('--dir <dir>', "folder of the gateway: its boards' passwords, and what waits")
    .requiredOption('--broker <url>', 'address of the MQTT broker, such as mqtts://mozaik.example')
    .option('--bluetooth', "serve the boards that this machine's radio reaches")
    .option('--serial <port>', 'serve what is at this serial port; may be repeated', collect)
    .option('--baud <n>', 'speed of the serial ports, where it matters', positiveInteger, 115_200)
    .option('--listen <port>', 'serve TCP connections at this port; 0 for any', wholeNumber(0))
    .addOption(
      new Option('--host <address>', 'address of --listen').default(
        '127.0.0.1',
        'this machine only',
      ),
    )
    .addHelpText('after', RUN_HELP);
  jsonOption(command).action(run);
}

async function run(options: RunOptions): Promise<void> {
  const { dir, bluetooth, serial = [], baud, listen, host, json } = options;
  if (!bluetooth && serial.length === 0 && listen === undefined) {
    throw usageError('give --bluetooth, --serial PORT or --listen PORT');
  }
  const broker = brokerAddress(options.broker);
  const noble = bluetooth ? await loadNoble() : undefined;
  const signal = untilInterrupted();
  const say = (event: GatewayEvent): void => {
    if (json) printJson(event);
    else sayInWords(event);
  };
  const gateway = await Gateway.open({ dir, broker, onEvent: say });
  const sources: LinkSource[] = [];
  try {
    const accept = gateway.accept.bind(gateway);
    if (noble !== undefined) {
      const trouble = (detail: string) => say({ event: 'trouble', about: 'bluetooth', detail });
      sources.push(await listenBluetooth(noble, accept, trouble));
    }
    for (const port of serial) sources.push(await listenSerial(port, baud, accept));
    let port: number | undefined;
    if (listen !== undefined) {
      const tcp = await listenTcp(host, listen, accept);
      sources.push(tcp);
      port = tcp.port;
    }
    const waiting = gateway.waiting();
    if (json) printJson({ event: 'ready', ...(port !== undefined && { port }), waiting });
    else printLine(`ready${port === undefined ? '' : ` at port ${port}`}; ${waiting} samples wait`);
    await aborted(signal);
  } finally {
    const closing = sources.map((source) => source.close());
    await gateway.close();
    await Promise.all(closing);
  }
}

function sayInWords(event: GatewayEvent): void {
  switch (event.event) {
    case 'connected':
    case 'disconnected':
      printLine(`${event.name} is ${event.event}: ${event.link}`);
      break;
    case 'refused':
      note(`${event.device}: the store refuses sample ${event.sequence}`);
      break;
    case 'trouble':
      note(`${event.about}: ${event.detail}`);
      break;
    case 'stored':
      break;
  }
}

function admitCommand(group: Command): void {
  const command = group
    .command('admit')
    .argument('<device>', 'name or id')
    .description('let a gateway publish for one of your boards');
  agentOptions(dirOption(command), 'user')
    .addHelpText('after', ADMIT_HELP)
    .action(async (which: string, options: AgentOptions & { into: string }) => {
      const { dir, api, user } = await connectUser(options);
      const { id, name } = findDevice(await loadDevices(dir), which);
      const file = await admit(api, user.identity.id, id, name, options.into);
      print(options.json, { device: toHex(id), name, file }, fields({ device: toHex(id), file }));
    });
}

/** Gives a gateway's folder a new password of a board. @returns the file */
export async function admit(
  api: Api,
  user: Uint8Array,
  device: Uint8Array,
  name: string,
  into: string,
): Promise<string> {
  const password = await api.registerDevice(device, name);
  return saveCredential(into, { user, device, name, password });
}
