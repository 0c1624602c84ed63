/** `npm run build`: everything that boards are given, in `dist/`, with its size. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { PERMUTATION } from '../espruino/thumb.ts';
import {
  buildCipher,
  buildEspruino,
  CIPHER_BYTES_MAX,
  ESPRUINO_MODULES,
  MODULE_BYTES_MAX,
} from './espruino.ts';
import type { EspruinoModule } from './espruino.ts';
import { estimate } from './estimate.ts';
import { buildModdable } from './moddable.ts';

const dist = path.resolve(import.meta.dirname, '../../dist');

async function espruino(): Promise<void> {
  const folder = path.join(dist, 'espruino');
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const messages: Record<string, string[]> = {};
  for (const [name, what] of Object.entries(ESPRUINO_MODULES)) {
    const bundle = await buildEspruino(name as EspruinoModule);
    messages[name] = bundle.messages;
    await writeFile(path.join(folder, `${name}.min.js`), bundle.code);
    report(`${name}.min.js`, bundle.code.length, MODULE_BYTES_MAX, what);
  }
  const cipher = await buildCipher();
  report('the cipher alone', cipher.code.length, CIPHER_BYTES_MAX, 'for comparison, not written');
  const code = Buffer.from(PERMUTATION, 'base64');
  await writeFile(path.join(folder, 'permutation.thumb2'), code);
  console.log(`  permutation.thumb2    ${code.length} bytes, for chips with Thumb-2`);
  await writeFile(path.join(folder, 'messages.json'), JSON.stringify(messages, null, 2) + '\n');
  for (const line of await estimate()) console.log(`  ${line}`);
}

function report(name: string, bytes: number, limit: number, what: string): void {
  const line = `  ${name.padEnd(22)}${bytes} bytes of ${limit}: ${what}`;
  if (bytes > limit) throw new Error(`over its budget:${line}`);
  console.log(line);
}

console.log('dist/espruino');
await espruino();

const moddable = await buildModdable();
await mkdir(path.join(dist, 'moddable'), { recursive: true });
await writeFile(path.join(dist, 'moddable/mozaik.js'), moddable);
console.log(`dist/moddable\n  mozaik.js             ${moddable.length} bytes of source`);
