/** Builds the Espruino modules: joined, shrunk, and refused when a board could not run them. */
import path from 'node:path';
import { bundleViolations } from './gate.ts';
import { link } from './link.ts';
import { ESPRUINO_API } from './names.ts';
import { shrink } from './shrink.ts';

const sources = path.resolve(import.meta.dirname, '../espruino');

/** The modules and what they are for. */
export const ESPRUINO_MODULES = {
  mozaik: 'the sensor',
  'mozaik-ecg': 'for an analog front end',
  'mozaik-mqtt': 'for boards with a network',
  'mozaik-ble': 'for boards that only have Bluetooth',
  'mozaik-outbox': 'keeps samples over a power cut',
} as const;
export type EspruinoModule = keyof typeof ESPRUINO_MODULES;

/** A built module stays within so many bytes. */
export const MODULE_BYTES_MAX = 8 * 1024;
/** The cipher alone, as far as a board needs it: 1.6 KB. */
export const CIPHER_BYTES_MAX = 1638;

export interface Bundle {
  code: string;
  /** What the `#` numbers in its errors stand for. */
  messages: string[];
}

/** @throws Error when the result is not what Espruino runs. */
async function bundle(entry: string): Promise<Bundle> {
  const { code, exports } = await link(entry);
  const tail = [...exports].map(([name, local]) => `exports.${name} = ${local};\n`).join('');
  const messages: string[] = [];
  const script = code.replaceAll('boardRequire(', 'require(') + tail;
  const small = await shrink(script, { publicNames: ESPRUINO_API, messages });
  const found = bundleViolations(small);
  if (found.length > 0) {
    const rules = [...new Set(found.map(({ rule, text }) => `${rule} ${text}`))].join(', ');
    throw new Error(`${path.basename(entry)} is not for Espruino: ${rules}`);
  }
  return { code: small, messages };
}

export const buildEspruino = (module: EspruinoModule): Promise<Bundle> =>
  bundle(path.join(sources, `${module}.ts`));

/** The cipher alone: a measure of its size. */
export const buildCipher = (): Promise<Bundle> => bundle(path.join(sources, 'cipher-only.ts'));
