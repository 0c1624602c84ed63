/**
 * The thread that computes on ciphertexts. It parses bytes from outside and may be killed at any time,
 * so that nothing else is kept here than networks and keys, made ready, which it is given anew.
 */
import { MozaikError } from '@mozaik/protocol';
import { parentPort } from 'node:worker_threads';
import { evaluateWithLibrary, loadLibraryKeys, type LibraryKeys } from './library/evaluate.ts';
import type { SquareNetwork } from './network.ts';
import type { Layout } from './parameters.ts';

/** What a worker is asked. Keys and networks go under numbers, the bytes only once. */
export interface Task {
  layout: Layout;
  network: { id: number; value?: SquareNetwork };
  keys?: { id: number; value?: Uint8Array };
  request: Uint8Array;
  beats: number;
  /** Numbers of keys and networks that are not needed any more. */
  forget: number[];
}

/** What it answers. */
export type Answer = { reply: Uint8Array } | { code: MozaikError['code']; detail?: string };

const networks = new Map<number, SquareNetwork>();
const keyRing = new Map<number, LibraryKeys>();

async function compute(task: Task): Promise<Uint8Array> {
  const { layout, network, keys, request, beats, forget } = task;
  for (const id of forget) {
    networks.delete(id);
    keyRing.get(id)?.delete();
    keyRing.delete(id);
  }
  if (network.value) networks.set(network.id, network.value);
  if (keys?.value) keyRing.set(keys.id, await loadLibraryKeys(keys.value));
  return evaluateWithLibrary({
    layout,
    network: networks.get(network.id)!,
    keys: keys && keyRing.get(keys.id),
    request,
    beats,
  });
}

parentPort!.on('message', (task: Task) => {
  void compute(task).then(
    (reply) => {
      parentPort!.postMessage({ reply } satisfies Answer, [reply.buffer as ArrayBuffer]);
    },
    (error: unknown) => {
      // What is not foreseen says nothing: a message of the library may be its whole source.
      const known = error instanceof MozaikError ? error : new MozaikError('INTERNAL');
      const { code, detail } = known;
      parentPort!.postMessage({ code, ...(detail !== undefined && { detail }) } satisfies Answer);
    },
  );
});
parentPort!.postMessage('ready');
