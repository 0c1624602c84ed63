/** What a board is given besides the modules, so that it starts by itself and can be asked who it is. */
import { PERMUTATION } from '../espruino/thumb.ts';
import { buildEspruino } from './espruino.ts';
import type { EspruinoModule } from './espruino.ts';
import { readMessage } from './shrink.ts';

export { buildModdable } from './moddable.ts';

/** What a board has to know. */
export interface Settings {
  /** 16 bytes. */
  masterKey: Uint8Array;
  /** 32 bytes. */
  userId: Uint8Array;
  /** Stream number, u16. */
  stream: number;
  /** The broker, for a board with a network. */
  broker?: { host: string; port: number; tls: boolean; password: string };
  /** Pins of the ECG amplifier, in the board's own names. */
  ecg?: { pin: string; leadsOff: string[] };
  /** Samples that the outbox in flash has room for; none when left out. */
  keep?: number;
  /** Address of the nonce ledger, when not at the end of the free flash. */
  ledger?: number;
}

/** Storage file with the {@link Settings}: the only one that is secret. */
export const SETTINGS_FILE = 'mozaik.k';
/** Storage file that the board runs when it starts; `.boot0` is taken on Bangle.js. */
export const START_FILE = '.boot2';

/** Of the nRF52 boards, which alone are given an outbox: the flash that they list as free is really free. */
const PAGE_BYTES = 4096;
const SAMPLES_PER_PAGE = 16;
/** Of the nonce ledger, at the end of the same flash. */
const LEDGER_PAGES = 2;

/** Bytes of flash for so many samples. A page can only be emptied as a whole, hence one more. */
const outboxBytes = (samples: number): number =>
  PAGE_BYTES * (Math.ceil(samples / SAMPLES_PER_PAGE) + 1);

/** An expression for the free flash of which the settings `s` name the length. */
const KEEP = `(function(n){var a=require("Fla"+"sh").getFree()[0];if(!a||a.length<n+${LEDGER_PAGES * PAGE_BYTES})throw new Error("not enough free flash");return{addr:a.addr,length:n}})(s.keep)`;

/** Starts the sensor. The names in it are those of `connect`'s options. */
export const START = `var mozaikDevice = (function () {
  var s = JSON.parse(require("Storage").read("${SETTINGS_FILE}"));
  s.masterKey = new Uint8Array(s.masterKey);
  s.userId = new Uint8Array(s.userId);
  if (s.keep) s.keep = ${KEEP};
  return require("mozaik").connect(s);
})();
`;

// The module's name is not written whole, or Espruino's tool would look for it on the Internet.
const SCRIPT = `var m=require("moz"+"aik"),s=JSON.parse(require("Storage").read("${SETTINGS_FILE}")),k=new Uint8Array(s.masterKey)`;

/** A statement that has the board make the nonce ledger of the key that it was given. */
export const PROVISION = `(function(){${SCRIPT};m.provision(k,s.ledger)})();\n`;

/**
 * An expression that has the board say what its cipher runs through and its device id, which it derives
 * from the key that it was given; or why not, when the nonce ledger or the flash for the outbox is missing.
 */
export const SELF_TEST = `(function(){try{${SCRIPT};if(s.keep)${KEEP};m.openLedger(k,s.ledger);print("mozaik",m.chooseCipher(),m.deviceId(k).join())}catch(e){print("mozaik failed",e.message)}})()`;
const ANSWER = /mozaik (native|jit|plain) (\d{1,3}(?:,\d{1,3}){15})\b/;
const FAILURE = /mozaik failed ([ -~]{1,200})/;

/** What a board says to {@link SELF_TEST}; undefined when it is not in `output`. */
export function readSelfTest(output: string): { cipher: string; device: Uint8Array } | undefined {
  const found = ANSWER.exec(output);
  return found === null
    ? undefined
    : { cipher: found[1], device: Uint8Array.from(found[2].split(','), Number) };
}

/** Why a board fails {@link SELF_TEST}; undefined when it does not say so in `output`. */
export function readFailure(output: string, messages: readonly string[]): string | undefined {
  const found = FAILURE.exec(output);
  return found === null ? undefined : readMessage(found[1], messages);
}

export interface EspruinoFiles {
  /** By their names in Storage. */
  files: Map<string, Uint8Array>;
  /** What the `#` numbers in the errors of the module `mozaik` stand for. */
  messages: string[];
}

/** The public files of a board. */
export async function espruinoFiles(options: {
  network: boolean;
  thumb: boolean;
  ecg: boolean;
  keep: boolean;
}): Promise<EspruinoFiles> {
  const names: EspruinoModule[] = ['mozaik', options.network ? 'mozaik-mqtt' : 'mozaik-ble'];
  if (options.ecg) names.push('mozaik-ecg');
  if (options.keep) names.push('mozaik-outbox');
  const files = new Map<string, Uint8Array>();
  let messages: string[] = [];
  for (const name of names) {
    const bundle = await buildEspruino(name);
    files.set(name, Buffer.from(bundle.code, 'latin1'));
    if (name === 'mozaik') ({ messages } = bundle);
  }
  if (options.thumb) files.set('mozaik.p', Buffer.from(PERMUTATION, 'base64'));
  files.set(START_FILE, Buffer.from(START, 'latin1'));
  return { files, messages };
}

/** The content of {@link SETTINGS_FILE}. It holds the key: the caller wipes it. */
export function espruinoSettings(settings: Settings): Buffer {
  const { masterKey, userId, stream, broker, ecg, keep, ledger } = settings;
  const { host, port, password } = broker ?? {};
  return Buffer.from(
    JSON.stringify({
      masterKey: [...masterKey],
      userId: [...userId],
      ...{ stream, host, port, password, ecg, ledger },
      ...(broker?.tls && { tls: {} }),
      ...(keep !== undefined && { keep: outboxBytes(keep) }),
    }),
  );
}
