/** Names that a bundle must leave as they are. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';

/** Every property of the language's own objects. */
function languageNames(): string[] {
  const owners = [
    Array,
    DataView,
    Date,
    Error,
    Float64Array,
    Function,
    Object,
    String,
    Uint8Array,
  ].flatMap((owner) => [owner, owner.prototype as object]);
  const typed = Object.getPrototypeOf(Uint8Array) as typeof Uint8Array;
  return [...owners, typed, typed.prototype, Math].flatMap((owner) =>
    Object.getOwnPropertyNames(owner),
  );
}

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
  ...languageNames(),
  ...BOARD_OPTION_NAMES,
  ...boardNames(),
];

/** Properties by which people, other modules and the test suite use the Espruino modules. */
export const ESPRUINO_API: readonly string[] = [
  // What the modules export.
  'AsconAead128',
  'FlashLedger',
  'FlashPages',
  'MqttClient',
  'Outbox',
  'Publisher',
  'Sealer',
  'Segmenter',
  'chooseCipher',
  'deviceId',
  'epochKey',
  'open',
  'openLedger',
  'provision',
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
  'settle',
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
  'keep',
  'keepAliveSeconds',
  'kind',
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
  'sealer',
  'sink',
  'socket',
  'stream',
  'tls',
  'topic',
  'transport',
  'userId',
  'username',
];
