/** Names that a bundle must leave as they are. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';

/** Properties of the language that the device code uses. */
const LANGUAGE_NAMES = [
  'abs',
  'byteLength',
  'ceil',
  'charCodeAt',
  'constructor',
  'defineProperty',
  'fill',
  'floor',
  'length',
  'max',
  'min',
  'now',
  'pow',
  'random',
  'replace',
  'set',
  'subarray',
  'toString',
];

/** Properties of Bluetooth characteristics and events, and of sockets: they stand in literals only. */
const BOARD_OPTION_NAMES = [
  'advertise',
  'ca',
  'cert',
  'data',
  'host',
  'key',
  'maxLen',
  'notify',
  'onWrite',
  'port',
  'value',
  'writable',
];

/** Every name that `board.ts` declares. */
function boardNames(): string[] {
  const file = path.resolve(import.meta.dirname, '../espruino/board.ts');
  const names: string[] = [];
  const visit = (node: ts.Node) => {
    if (ts.isIdentifier(node)) names.push(node.text);
    node.forEachChild(visit);
  };
  visit(ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest));
  return names;
}

/** Properties that belong to the language or to a board, as far as the device code uses them. */
export const PLATFORM_NAMES: readonly string[] = [
  ...LANGUAGE_NAMES,
  ...BOARD_OPTION_NAMES,
  ...boardNames(),
];

/** Properties by which people, other modules and the test suite use the Espruino modules. */
export const ESPRUINO_API: readonly string[] = [
  // What the modules export.
  'AsconAead128',
  'BeatSegmenter',
  'BitmapLedger',
  'HeartbeatSensor',
  'MqttClient',
  'Publisher',
  'chooseCipher',
  'deviceId',
  'epochKey',
  'open',
  // Methods.
  'beat',
  'close',
  'encrypt',
  'next',
  'offer',
  'pending',
  'publish',
  'pushPeak',
  'push',
  'restart',
  'sample',
  'start',
  'stop',
  'tick',
  // Options and results.
  'capacity',
  'cipher',
  'clientId',
  'clock',
  'connect',
  'detect',
  'ecg',
  'epochBeats',
  'identity',
  'inFlight',
  'interval',
  'keepAliveSeconds',
  'leadsOff',
  'ledger',
  'masterKey',
  'onAcknowledged',
  'onBeat',
  'onClose',
  'onClosed',
  'onConnected',
  'onData',
  'onDisconnected',
  'onLeads',
  'onPublished',
  'onRejected',
  'password',
  'pin',
  'random',
  'refused',
  'sensor',
  'sink',
  'socket',
  'stream',
  'tls',
  'topic',
  'transport',
  'userId',
  'username',
];
