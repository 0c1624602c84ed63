/** The user's side runs in browsers: it bundles without Node's modules and without code from strings. */
import { expect, test } from '@jest/globals';
import { build } from 'esbuild';
import { fileURLToPath } from 'node:url';

test('the client bundles for a browser with a strict content policy', async () => {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('../src/client.ts', import.meta.url))],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    conditions: ['browser'],
    logLevel: 'silent',
  });
  const [{ text }] = outputFiles;
  expect(text).toMatch('allows_wasm_cf_worker.wasm');
  expect(text).not.toMatch(/["']node:/);
  expect(text).not.toMatch(/new Function\(|\beval\(/);
});
