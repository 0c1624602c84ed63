/**
 * The thread that computes on ciphertexts. It parses bytes from outside and may be killed at any time,
 * so that nothing else is kept here than networks and keys, made ready, which it is given anew.
 */
import { MozaikError } from '@mozaik/protocol';
import { parentPort } from 'node:worker_threads';
import { BatchEvaluator, prepareBatch, type BatchNetwork } from './batch.ts';
import type { SquareNetwork } from './network.ts';
import type { Layout } from './parameters.ts';
import { SingleEvaluator, type LoadedKeys, type LoadedNetwork } from './single.ts';

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

/** A network made ready for the layouts that it was asked in. */
interface Network {
  source: SquareNetwork;
  single?: LoadedNetwork;
  batch?: BatchNetwork;
}

const networks = new Map<number, Network>();
const keyRing = new Map<number, LoadedKeys>();
// Each takes up to 100 MB with what it keeps, so that they are made when they are needed.
let single: SingleEvaluator | undefined;
let batch: BatchEvaluator | undefined;

function forget(id: number): void {
  const keys = keyRing.get(id);
  if (keys) single?.forgetKeys(keys);
  keyRing.delete(id);
  const network = networks.get(id)?.single;
  if (network) single?.forgetNetwork(network);
  networks.delete(id);
}

function compute({ layout, network: named, keys: key, request, beats, forget: ids }: Task) {
  ids.forEach(forget);
  if (named.value) networks.set(named.id, { source: named.value });
  const network = networks.get(named.id)!;
  if (layout === 'batch') {
    batch ??= new BatchEvaluator();
    network.batch ??= prepareBatch(network.source);
    return batch.evaluate(network.batch, request, beats);
  }
  single ??= new SingleEvaluator();
  network.single ??= single.loadNetwork(network.source);
  const { id, value } = key!;
  if (value) {
    forget(id);
    keyRing.set(id, single.loadKeys(value));
  }
  const keys = keyRing.get(id)!;
  return single.evaluate(network.single, keys, request, beats);
}

function answer(task: Task): Answer {
  try {
    return { reply: compute(task) };
  } catch (error) {
    const { code, detail } = error instanceof MozaikError ? error : new MozaikError('INTERNAL');
    return { code, ...(detail !== undefined && { detail }) };
  }
}

parentPort!.on('message', (task: Task) => {
  const message = answer(task);
  const transfer = 'reply' in message ? [message.reply.buffer as ArrayBuffer] : [];
  parentPort!.postMessage(message, transfer);
});
parentPort!.postMessage('ready');
