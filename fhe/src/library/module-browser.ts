/**
 * The library in a browser: its bundle as an ES module, and its WebAssembly from where the page's bundler
 * put it.
 */
export { default as bundle } from 'node-seal/allows_wasm_cf_worker_es.js';

export const compileLibrary = (): Promise<WebAssembly.Module> =>
  WebAssembly.compileStreaming(
    fetch(new URL('node-seal/seal_allows_wasm_cf_worker.wasm', import.meta.url)),
  );
