/**
 * What the modules take of an Espruino board's memory, estimated and not measured. A JsVar has 12 to 16
 * bytes, 14 on Puck.js and Bangle.js 2; text takes as many as it needs.
 */
import { buildEspruino } from './espruino.ts';

const JSVAR_BYTES = 14;
/** JsVars of two boards, as their makers state them. */
const BOARDS = { 'Puck.js': 2630, 'Bangle.js 2': 12000 } as const;
/**
 * Long-lived buffers of a running sensor, bytes: signal ring and history, cut and window, beats in
 * progress, state and envelope, and the queue of 32 sealed samples.
 */
const BUFFER_BYTES = 4 * 256 + 4 * 32 + 4 * 187 + 187 + 2 * 4 * 9 + 20 * 7 + 40 + 233 + 32 * 233;
/** Objects, properties and functions: one variable for each name and each value, generously. */
const OBJECT_VARS = 350;

const vars = (bytes: number): number => Math.ceil(bytes / JSVAR_BYTES);

/** Lines for people. */
export async function estimate(): Promise<string[]> {
  const modules = ['mozaik', 'mozaik-ecg', 'mozaik-ble'] as const;
  const built = await Promise.all(modules.map(buildEspruino));
  const code = built.reduce((bytes, bundle) => bytes + bundle.code.length, 0);
  const loaded = vars(code) + vars(BUFFER_BYTES) + OBJECT_VARS;
  const fromFlash = vars(BUFFER_BYTES) + OBJECT_VARS;
  return [
    `estimated for ${modules.join(', ')}: buffers ${BUFFER_BYTES} bytes (${vars(BUFFER_BYTES)} JsVars),` +
      ` code ${code} bytes (${vars(code)} JsVars when it is in RAM)`,
    ...Object.entries(BOARDS).map(
      ([board, has]) =>
        `${board}: ${fromFlash} JsVars of ${has} with the code in Storage, ${loaded} with it in RAM`,
    ),
  ];
}
