/** The library's WebAssembly, compiled: in a browser from where the page's bundler put it. */
export const compileLibrary = (): Promise<WebAssembly.Module> =>
  WebAssembly.compileStreaming(
    fetch(new URL('node-seal/seal_allows_wasm_cf_worker.wasm', import.meta.url)),
  );
