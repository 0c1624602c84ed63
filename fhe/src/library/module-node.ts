/** The library's WebAssembly, compiled: in Node from its file. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

export async function compileLibrary(): Promise<WebAssembly.Module> {
  const path = createRequire(import.meta.url).resolve('node-seal/seal_allows_wasm_cf_worker.wasm');
  return WebAssembly.compile(await readFile(path));
}
