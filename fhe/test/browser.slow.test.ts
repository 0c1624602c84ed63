/**
 * The user's side runs in browsers: it bundles without Node's modules, and the bundle makes keys, encrypts
 * and opens in a realm that has nothing but what browsers have, under a strict content policy. No
 * browser itself is started.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import * as vm from 'node:vm';
import { beforeAll, expect, test } from '@jest/globals';
import { build } from 'esbuild';
import { BatchEvaluator, prepareBatch } from '../src/batch.ts';
import type { Keyring as KeyringClass, KeySet, KeyStorage } from '@mozaik/client';
import type * as Scheme from '../src/client.ts';
import { largestIndex, plainLogits } from '../src/network.ts';
import { randomNetwork, randomWindows } from './support.ts';

const ORIGIN = 'https://app.example/assets/';
const WASM = 'node-seal/seal_allows_wasm_cf_worker.wasm';
const ENTRY = `
  export * as scheme from '@mozaik/fhe/client';
  export { Keyring } from '@mozaik/client/core';
  export { createIdentity } from '@mozaik/protocol';
`;

interface Bundle {
  scheme: typeof Scheme;
  Keyring: typeof KeyringClass;
  createIdentity: (seed: Uint8Array) => ConstructorParameters<typeof KeyringClass>[2];
}

let text: string;
beforeAll(async () => {
  const { outputFiles } = await build({
    stdin: { contents: ENTRY, resolveDir: fileURLToPath(new URL('.', import.meta.url)) },
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    conditions: ['browser'],
    logLevel: 'silent',
  });
  [{ text }] = outputFiles;
}, 60_000);

/** Evaluates a module where there are the language and the web's interfaces, and no code from strings. */
async function inBrowserRealm(source: string): Promise<Bundle> {
  const wasm = readFileSync(createRequire(import.meta.url).resolve(WASM));
  const fetched: string[] = [];
  const fetch = (url: URL) => {
    fetched.push(String(url));
    return Promise.resolve(new Response(wasm, { headers: { 'content-type': 'application/wasm' } }));
  };
  const context = vm.createContext(
    { crypto, TextEncoder, TextDecoder, URL, fetch, performance, setTimeout, clearTimeout },
    { codeGeneration: { strings: false, wasm: true } },
  );
  // Node compiles from a stream in its main realm only.
  vm.runInContext(
    `WebAssembly.compileStreaming = async (response) =>
       WebAssembly.compile(new Uint8Array(await (await response).arrayBuffer()));`,
    context,
  );
  const module = new vm.SourceTextModule(source, {
    context,
    identifier: `${ORIGIN}app.js`,
    initializeImportMeta: (meta) => {
      meta.url = `${ORIGIN}app.js`;
    },
  });
  await module.link(() => {
    throw new Error('the bundle imports something');
  });
  await module.evaluate();
  const bundle = module.namespace as unknown as Bundle;
  await bundle.scheme.createKeys('batch');
  expect(fetched).toEqual([ORIGIN + WASM]);
  return bundle;
}

test('the client bundles for a browser with a strict content policy', () => {
  expect(text).toMatch('allows_wasm_cf_worker.wasm');
  expect(text).not.toMatch(/["']node:/);
  expect(text).not.toMatch(/new Function\(|\beval\(/);
});

test('the bundle makes a set of keys, encrypts and opens without anything of Node', async () => {
  const { scheme, Keyring, createIdentity } = await inBrowserRealm(text);
  const stored: [KeySet, Uint8Array][] = [];
  const storage: KeyStorage = {
    load: () => Promise.resolve([]),
    create: (set, frame) => Promise.resolve(void stored.push([set, frame])),
    frame: () => Promise.resolve(stored[0][1]),
  };
  const set = await new Keyring(storage, scheme, createIdentity(new Uint8Array(32))).current();
  expect(stored).toHaveLength(1);
  expect(stored[0][1].length).toBeGreaterThan(scheme.EVALUATION_KEYS_MAX_BYTES);

  const network = randomNetwork(1);
  const windows = randomWindows(2, 2);
  const keys = { secret: set.secrets.batch, evaluation: new Uint8Array(0) };
  const request = await scheme.encryptBeats('batch', keys, windows);
  const reply = new BatchEvaluator().evaluate(prepareBatch(network), request, 2);
  const labels = await scheme.openReply('batch', keys, reply, 2);
  expect(labels.map(({ classIndex }) => classIndex)).toEqual(
    windows.map((window) => largestIndex(plainLogits(network, window))),
  );
}, 120_000);
