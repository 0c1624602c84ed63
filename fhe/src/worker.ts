/**
 * The thread that computes on ciphertexts. It parses bytes from outside and may be killed at any time,
 * so that nothing else is kept here than networks and keys, made ready, which it is given anew.
 */
import { MozaikError } from '@mozaik/protocol';
import { parentPort, workerData } from 'node:worker_threads';
import { BatchEvaluator, prepareBatch, type BatchNetwork } from './batch.ts';
import type { SquareNetwork } from './network.ts';
import type { Layout } from './parameters.ts';
import { SingleEvaluator, type LoadedKeys, type LoadedNetwork } from './single.ts';

/** What a thread is given as it starts. */
export interface WorkerOptions {
  mailbox: Mailbox;
  /** Most that the memory of each layout's kernels grows to. */
  memoryBytes: number;
}

/** Memory that is shared with the thread, which reads it while a task runs. */
export interface Mailbox {
  /** As long as the largest request. */
  request: Uint8Array;
  /** As long as evaluation keys are. */
  keys: Uint8Array;
}

/** What a worker is asked. Keys and networks go under numbers, once. */
export interface Task {
  layout: Layout;
  network: { number: number; value?: SquareNetwork };
  /** New ones are in the mailbox. */
  keys?: { number: number; isNew: boolean };
  /** Length of the request in the mailbox. */
  requestBytes: number;
  beats: number;
  /** Numbers of keys and networks that are not needed any more. */
  forget: number[];
}

export type Message = Task | Pick<Task, 'forget'>;

/** What it answers. */
export type Answer = { reply: Uint8Array } | { code: MozaikError['code']; detail?: string };

/** That keys under a number are wiped. */
export interface Forgotten {
  forgotten: number;
}

/** A network made ready for the layouts that it was asked in. */
interface Network {
  source: SquareNetwork;
  single?: LoadedNetwork;
  batch?: BatchNetwork;
}

const { mailbox, memoryBytes } = workerData as WorkerOptions;
const networks = new Map<number, Network>();
const keyRing = new Map<number, LoadedKeys>();
// Each takes up to 100 MB with what it keeps, so that they are made when they are needed.
let single: SingleEvaluator | undefined;
let batch: BatchEvaluator | undefined;

function forget(number: number): void {
  const keys = keyRing.get(number);
  if (keys) single?.forgetKeys(keys);
  keyRing.delete(number);
  const network = networks.get(number)?.single;
  if (network) single?.forgetNetwork(network);
  networks.delete(number);
}

function compute({ layout, network: named, keys, requestBytes, beats, forget: numbers }: Task) {
  numbers.forEach(forget);
  if (named.value) networks.set(named.number, { source: named.value });
  const network = networks.get(named.number)!;
  const request = mailbox.request.subarray(0, requestBytes);
  if (layout === 'batch') {
    batch ??= new BatchEvaluator(memoryBytes);
    network.batch ??= prepareBatch(network.source);
    return batch.evaluate(network.batch, request, beats);
  }
  single ??= new SingleEvaluator(memoryBytes);
  network.single ??= single.loadNetwork(network.source);
  const { number, isNew } = keys!;
  if (isNew) {
    forget(number);
    keyRing.set(number, single.loadKeys(mailbox.keys));
  }
  return single.evaluate(network.single, keyRing.get(number)!, request, beats);
}

function answer(task: Task): Answer {
  try {
    return { reply: compute(task) };
  } catch (error) {
    const { code, detail } = error instanceof MozaikError ? error : new MozaikError('INTERNAL');
    return { code, ...(detail !== undefined && { detail }) };
  }
}

parentPort!.on('message', (asked: Message) => {
  if (!('layout' in asked)) {
    asked.forget.forEach(forget);
    for (const forgotten of asked.forget) parentPort!.postMessage({ forgotten });
    return;
  }
  const message = answer(asked);
  const transfer = 'reply' in message ? [message.reply.buffer as ArrayBuffer] : [];
  parentPort!.postMessage(message, transfer);
});
parentPort!.postMessage('ready');
