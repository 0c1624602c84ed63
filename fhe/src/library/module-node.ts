/** The library in Node: its CommonJS bundle, which jest loads too, and its WebAssembly from a file. */
export { default as bundle } from 'node-seal/allows_wasm_cf_worker_umd.js';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

export async function compileLibrary(): Promise<WebAssembly.Module> {
  const path = createRequire(import.meta.url).resolve('node-seal/seal_allows_wasm_cf_worker.wasm');
  return WebAssembly.compile(await readFile(path));
}
