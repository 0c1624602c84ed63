/** What a board is given besides the modules, so that it starts by itself and can be asked who it is. */
import { PERMUTATION } from '../espruino/thumb.ts';
import { buildEspruino } from './espruino.ts';
import type { EspruinoModule } from './espruino.ts';

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
}

/** Storage file with the {@link Settings}: the only one that is secret. */
export const SETTINGS_FILE = 'mozaik.k';
/** Storage file that the board runs when it starts; `.boot0` is taken on Bangle.js. */
export const START_FILE = '.boot2';

/** Of the nRF52 boards, which alone are given an outbox: the flash that they list as free is really free. */
const PAGE_BYTES = 4096;
const SAMPLES_PER_PAGE = 16;

/** Bytes of flash for so many samples. A page can only be emptied as a whole, hence one more. */
const outboxBytes = (samples: number): number =>
  PAGE_BYTES * (Math.ceil(samples / SAMPLES_PER_PAGE) + 1);

/** An expression for the free flash of which the settings `s` name the length. */
const KEEP = `(function(n){var a=require("Fla"+"sh").getFree()[0];if(!a||a.length<n)throw new Error("not enough free flash");return{addr:a.addr,length:n}})(s.keep)`;

/** Starts the sensor. The names in it are those of `connect`'s options. */
export const START = `var mozaikDevice = (function () {
  var s = JSON.parse(require("Storage").read("${SETTINGS_FILE}"));
  s.masterKey = new Uint8Array(s.masterKey);
  s.userId = new Uint8Array(s.userId);
  if (s.keep) s.keep = ${KEEP};
  return require("mozaik").connect(s);
})();
`;

/**
 * An expression that has the board say what its cipher runs through and its device id, which it derives
 * from the key that it was given. It says nothing when the flash for the outbox is missing. The module's name is not written whole, or Espruino's tool would look
 * for it on the Internet.
 */
export const SELF_TEST = `(function(){var m=require("moz"+"aik"),s=JSON.parse(require("Storage").read("${SETTINGS_FILE}"));if(s.keep)${KEEP};print("mozaik",m.chooseCipher(),m.deviceId(new Uint8Array(s.masterKey)).join())})()`;
const ANSWER = /mozaik (native|jit|plain) (\d{1,3}(?:,\d{1,3}){15})\b/;

/** What a board says to {@link SELF_TEST}; undefined when it is not in `output`. */
export function readSelfTest(output: string): { cipher: string; device: Uint8Array } | undefined {
  const found = ANSWER.exec(output);
  return found === null
    ? undefined
    : { cipher: found[1], device: Uint8Array.from(found[2].split(','), Number) };
}

/** The public files of a board by their names in Storage. */
export async function espruinoFiles(options: {
  network: boolean;
  thumb: boolean;
  ecg: boolean;
  keep: boolean;
}): Promise<Map<string, Uint8Array>> {
  const names: EspruinoModule[] = ['mozaik', options.network ? 'mozaik-mqtt' : 'mozaik-ble'];
  if (options.ecg) names.push('mozaik-ecg');
  if (options.keep) names.push('mozaik-outbox');
  const files = new Map<string, Uint8Array>();
  for (const name of names)
    files.set(name, Buffer.from((await buildEspruino(name)).code, 'latin1'));
  if (options.thumb) files.set('mozaik.p', Buffer.from(PERMUTATION, 'base64'));
  files.set(START_FILE, Buffer.from(START, 'latin1'));
  return files;
}

/** The content of {@link SETTINGS_FILE}. It holds the key: the caller wipes it. */
export function espruinoSettings(settings: Settings): Buffer {
  const { masterKey, userId, stream, broker, ecg, keep } = settings;
  const { host, port, password } = broker ?? {};
  return Buffer.from(
    JSON.stringify({
      masterKey: [...masterKey],
      userId: [...userId],
      ...{ stream, host, port, password, ecg },
      ...(broker?.tls && { tls: {} }),
      ...(keep !== undefined && { keep: outboxBytes(keep) }),
    }),
  );
}
