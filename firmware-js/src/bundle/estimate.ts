/**
 * What the modules take of an Espruino board's memory, estimated and not measured. A JsVar has 12 to 16
 * bytes, 14 on Puck.js and Bangle.js 2; text takes as many as it needs.
 */
import { BEAT_ENVELOPE_BYTES } from '@mozaik/protocol/envelope';
import { KEY_BYTES } from '../ascon.ts';
import { USER_ID_BYTES } from '../keys.ts';
import { Sealer } from '../sealer.ts';
import { Segmenter } from '../segmenter.ts';
import { buildEspruino } from './espruino.ts';

const JSVAR_BYTES = 14;
/** JsVars of two boards, as their makers state them. */
const BOARDS = { 'Puck.js': 2630, 'Bangle.js 2': 12000 } as const;
/** The Bluetooth link's queue of 32 sealed samples, and its frames. */
const LINK_BYTES = 33 * BEAT_ENVELOPE_BYTES + 40;
/** Objects, properties and functions: one variable for each name and each value, generously. */
const OBJECT_VARS = 350;

const vars = (bytes: number): number => Math.ceil(bytes / JSVAR_BYTES);

/** Bytes of all buffers that `root` holds, each counted once however many views it has. */
function heldBytes(root: object): number {
  const buffers = new Set<ArrayBufferLike>();
  const seen = new Set<unknown>();
  const visit = (value: unknown) => {
    if (typeof value !== 'object' || value === null || seen.has(value)) return;
    seen.add(value);
    if (ArrayBuffer.isView(value)) buffers.add(value.buffer);
    else {
      for (const { value: held } of Object.values(Object.getOwnPropertyDescriptors(value))) {
        visit(held);
      }
    }
  };
  visit(root);
  return [...buffers].reduce((bytes, buffer) => bytes + buffer.byteLength, 0);
}

/** Long-lived buffers of a running sensor: what a real one holds here, and the Bluetooth link's. */
function bufferBytes(): number {
  const sealer = new Sealer({
    masterKey: new Uint8Array(KEY_BYTES),
    userId: new Uint8Array(USER_ID_BYTES),
    stream: 0,
    random: () => undefined,
    ledger: { next: () => 0 },
    sink: { offer: () => true },
  });
  return heldBytes([sealer, new Segmenter({ onBeat: () => undefined })]) + LINK_BYTES;
}

/** Lines for people. */
export async function estimate(): Promise<string[]> {
  const modules = ['mozaik', 'mozaik-ecg', 'mozaik-ble'] as const;
  const built = await Promise.all(modules.map(buildEspruino));
  const code = built.reduce((bytes, bundle) => bytes + bundle.code.length, 0);
  const buffers = bufferBytes();
  const loaded = vars(code) + vars(buffers) + OBJECT_VARS;
  const fromFlash = vars(buffers) + OBJECT_VARS;
  return [
    `estimated for ${modules.join(', ')}: buffers ${buffers} bytes (${vars(buffers)} JsVars),` +
      ` code ${code} bytes (${vars(code)} JsVars when it is in RAM)`,
    ...Object.entries(BOARDS).map(
      ([board, has]) =>
        `${board}: ${fromFlash} JsVars of ${has} with the code in Storage, ${loaded} with it in RAM`,
    ),
  ];
}
