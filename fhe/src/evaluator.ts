/**
 * The server's side of the homomorphic path: computes on ciphertexts in threads of its own, which are
 * killed and replaced when a job takes too long, is called off, or fails in a way that is not foreseen.
 */
import { MozaikError } from '@mozaik/protocol';
import { Worker } from 'node:worker_threads';
import { EVALUATION_KEYS_MAX_BYTES, openFrame, REQUEST_MAX_BYTES } from './frame.ts';
import { MEMORY_MAX_BYTES } from './kernels.ts';
import { checkNetwork, type SquareNetwork } from './network.ts';
import type { Layout } from './parameters.ts';
import type { Answer, Forgotten, Mailbox, Message, Task, WorkerOptions } from './worker.ts';

export interface EvaluatorOptions {
  /** Threads, each with memory of its own. */
  workers?: number;
  /** Longest time that one job may compute, ms; waiting for a free thread does not count. */
  timeoutMs?: number;
  /** Most jobs that wait: a flood of requests must not fill the memory. */
  maxWaiting?: number;
  /** Most that the memory of a thread's kernels grows to, bytes, for each layout; 512 MB at most. */
  memoryBytes?: number;
}

export interface Job {
  layout: Layout;
  /** Made ready once for each object: pass the same one for the same network, and do not change it. */
  network: SquareNetwork;
  /**
   * As the user's agent made them; not looked at in the batch layout. Made ready once for each array:
   * pass the same one for the same keys, and do not change it.
   */
  evaluationKeys: Uint8Array;
  request: Uint8Array;
  /** How many beats the request holds: has to agree with what it says itself. */
  beats: number;
  /** Stops the job, at once, whatever it is doing. */
  signal?: AbortSignal;
}

const DEFAULTS = {
  workers: 1,
  timeoutMs: 30_000,
  maxWaiting: 64,
  memoryBytes: MEMORY_MAX_BYTES,
} as const;
/** Keys and networks that a worker keeps ready, each: 30 MB of memory for the keys of a user. */
const KEPT = 4;
/**
 * JavaScript heap of a worker, MB. Nothing from outside is ever put on it: V8 ends the process, not the thread,
 * when a heap overflows in the middle of native code such as that which receives messages.
 */
const HEAP_MB = 256;
/** Longest wait for a new worker to be ready, ms. */
const START_TIMEOUT_MS = 60_000;

interface Waiting {
  job: Job;
  resolve: (reply: Uint8Array) => void;
  reject: (error: unknown) => void;
}

export class Evaluator {
  readonly #options: Required<EvaluatorOptions>;
  readonly #threads: Thread[];
  readonly #waiting: Waiting[] = [];
  readonly #numbers = new Numbers();
  #closed = false;

  private constructor(options: EvaluatorOptions) {
    this.#options = { ...DEFAULTS, ...options };
    this.#threads = Array.from(
      { length: this.#options.workers },
      () => new Thread(this.#options, this.#numbers),
    );
  }

  /** @throws MozaikError HOMOMORPHIC_STOPPED when its workers do not start */
  static async open(options: EvaluatorOptions = {}): Promise<Evaluator> {
    const evaluator = new Evaluator(options);
    try {
      await Promise.all(evaluator.#threads.map((thread) => thread.ready()));
    } catch (error) {
      await evaluator.close();
      throw error;
    }
    return evaluator;
  }

  /**
   * Computes the reply to a request; jobs beyond the number of threads wait in order.
   *
   * @throws MozaikError HOMOMORPHIC_INPUT for a malformed request or keys, HOMOMORPHIC_MODEL for a
   *   network that cannot be computed, HOMOMORPHIC_STOPPED when time or memory ran out, the signal
   *   said so, or the evaluator was closed, RATE_LIMITED when too many jobs wait
   */
  async infer(job: Job): Promise<Uint8Array> {
    const { layout, network, evaluationKeys, request, beats, signal } = job;
    openFrame('request', request, { layout, beats });
    if (layout === 'single') openFrame('keys', evaluationKeys, { layout, beats: 0 });
    checkNetwork(network);
    if (this.#closed) throw stopped('the evaluator is closed');
    if (signal?.aborted) throw stopped('it was called off');
    if (this.#waiting.length >= this.#options.maxWaiting) {
      throw new MozaikError('RATE_LIMITED', 'too many homomorphic requests wait');
    }
    const result = new Promise<Uint8Array>((resolve, reject) => {
      this.#waiting.push({ job, resolve, reject });
    });
    const onAbort = (): void => {
      // A job that runs is stopped by its thread.
      const at = this.#waiting.findIndex((waiting) => waiting.job === job);
      if (at >= 0) this.#waiting.splice(at, 1)[0].reject(stopped('it was called off'));
    };
    signal?.addEventListener('abort', onAbort);
    this.#next();
    return result.finally(() => signal?.removeEventListener('abort', onAbort));
  }

  /**
   * Wipes what was made ready of these keys: after a revocation, or when a new epoch has brought others.
   * Resolves when no thread has them any more; one that computes with them wipes them behind its job. A job
   * that still comes with them has them made ready for itself alone.
   */
  async forget(evaluationKeys: Uint8Array): Promise<void> {
    const keys = this.#numbers.of(evaluationKeys);
    keys.isForgotten = true;
    await Promise.all(this.#threads.map((thread) => thread.forget(keys)));
  }

  /** Stops all jobs and threads. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { reject } of this.#waiting.splice(0)) reject(stopped('the evaluator is closed'));
    await Promise.all(this.#threads.map((thread) => thread.close()));
  }

  #next(): void {
    const thread = this.#threads.find(({ busy }) => !busy);
    const waiting = thread && this.#waiting.shift();
    if (!waiting) return;
    void thread
      .run(waiting.job)
      .then(waiting.resolve, waiting.reject)
      .finally(() => this.#next());
  }
}

const LOST = 'its worker ran out of memory or failed';
const stopped = (detail: string): MozaikError => new MozaikError('HOMOMORPHIC_STOPPED', detail);

/** What a worker keeps, under a number, as objects have no identity in another thread. */
interface Numbered {
  number: number;
  isForgotten: boolean;
}

class Numbers {
  readonly #numbered = new WeakMap<object, Numbered>();
  #last = 0;

  of(object: object): Numbered {
    const held = this.#numbered.get(object);
    if (held) return held;
    const fresh = { number: ++this.#last, isForgotten: false };
    this.#numbered.set(object, fresh);
    return fresh;
  }
}

/** One worker after another, each until it has to be killed. */
class Thread {
  busy = false;
  readonly #timeoutMs: number;
  readonly #memoryBytes: number;
  readonly #numbers: Numbers;
  #worker: Promise<Worker> | undefined;
  /** The same when it is ready. */
  #started: Worker | undefined;
  /**
   * Requests and keys on their way to the worker. Always the same memory: megabytes that are allocated and
   * freed with each job, beside others of other sizes, leave holes that nothing fits.
   */
  readonly #mailbox: Mailbox = {
    request: new Uint8Array(new SharedArrayBuffer(REQUEST_MAX_BYTES)),
    keys: new Uint8Array(new SharedArrayBuffer(EVALUATION_KEYS_MAX_BYTES)),
  };
  /** What the worker holds, the latest used last. */
  readonly #kept = { keys: new Set<Numbered>(), networks: new Set<Numbered>() };
  #stop: ((reason: string) => void) | undefined;
  #closed = false;

  constructor({ timeoutMs, memoryBytes }: Required<EvaluatorOptions>, numbers: Numbers) {
    this.#timeoutMs = timeoutMs;
    this.#memoryBytes = memoryBytes;
    this.#numbers = numbers;
  }

  ready(): Promise<Worker> {
    if (!this.#worker) {
      const starting = startWorker({ mailbox: this.#mailbox, memoryBytes: this.#memoryBytes });
      this.#worker = starting;
      // One that does not start, or ends by itself, is replaced with the next job.
      const lost = (): void => {
        if (this.#worker === starting) this.#abandon();
      };
      starting.then((worker) => {
        if (this.#worker === starting) this.#started = worker;
        worker.once('exit', lost);
      }, lost);
    }
    return this.#worker;
  }

  async run(job: Job): Promise<Uint8Array> {
    this.busy = true;
    try {
      const worker = await this.ready();
      if (this.#closed) throw stopped('the evaluator is closed');
      if (job.signal?.aborted) throw stopped('it was called off');
      return await this.#ask(worker, job);
    } finally {
      this.#mailbox.keys.fill(0);
      this.busy = false;
      // Forgotten while they were on their way.
      for (const keys of this.#kept.keys) if (keys.isForgotten) void this.forget(keys);
    }
  }

  /** Has the worker wipe keys; resolves when it has, or when there is none that held them. */
  async forget(keys: Numbered): Promise<void> {
    const worker = this.#started;
    if (!this.#kept.keys.delete(keys) || !worker) return;
    // Posted before this returns: a task that follows may bring the same keys anew.
    await new Promise<void>((resolve) => {
      const end = (): void => {
        worker.off('message', onMessage);
        worker.off('exit', end);
        resolve();
      };
      const onMessage = (message: Answer | Forgotten): void => {
        if ('forgotten' in message && message.forgotten === keys.number) end();
      };
      worker.on('message', onMessage);
      worker.on('exit', end);
      worker.postMessage({ forget: [keys.number] } satisfies Message);
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#stop?.('the evaluator is closed');
    await this.#kill();
  }

  #ask(worker: Worker, job: Job): Promise<Uint8Array> {
    const { task, keys } = this.#task(job);
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#stop = undefined;
        job.signal?.removeEventListener('abort', onAbort);
        worker.off('message', onMessage);
        worker.off('error', onError);
        worker.off('exit', onExit);
      };
      const kill = (reason: string): void => {
        end();
        void this.#kill().then(() => reject(stopped(reason)));
      };
      const onAbort = (): void => kill('it was called off');
      const timer = setTimeout(() => kill(`it took over ${this.#timeoutMs} ms`), this.#timeoutMs);
      this.#stop = kill;
      job.signal?.addEventListener('abort', onAbort, { once: true });
      const onError = (): void => kill(LOST);
      const onExit = (): void => kill('its worker ended');
      const onMessage = (answer: Answer | Forgotten): void => {
        if ('forgotten' in answer) return;
        if ('reply' in answer) {
          end();
          resolve(answer.reply);
          return;
        }
        const error = new MozaikError(answer.code, answer.detail);
        // Nobody knows whether it failed before it kept them or after.
        if (keys && task.keys?.isNew) void this.forget(keys);
        // After a failure that is not foreseen the state of the worker is not known either.
        if (answer.code === 'INTERNAL') kill(LOST);
        else {
          end();
          reject(error);
        }
      };
      worker.on('message', onMessage);
      worker.on('error', onError);
      worker.on('exit', onExit);
      worker.postMessage(task satisfies Message);
    });
  }

  /** The message for a job, with what it needs in the mailbox: keys only when the worker has not got them. */
  #task(job: Job): { task: Task; keys: Numbered | undefined } {
    const { layout, network, evaluationKeys, request, beats } = job;
    const forget: number[] = [];
    const place = (kept: Set<Numbered>, numbered: Numbered) => {
      const isNew = !kept.delete(numbered);
      kept.add(numbered);
      const [oldest] = kept;
      if (kept.size > KEPT) {
        kept.delete(oldest);
        forget.push(oldest.number);
      }
      return { number: numbered.number, isNew };
    };
    const { number, isNew } = place(this.#kept.networks, this.#numbers.of(network));
    const keys = layout === 'single' ? this.#numbers.of(evaluationKeys) : undefined;
    const ofKeys = keys && place(this.#kept.keys, keys);
    this.#mailbox.request.set(request);
    if (ofKeys?.isNew) this.#mailbox.keys.set(evaluationKeys);
    const task: Task = {
      ...{ layout, requestBytes: request.length, beats, forget },
      network: { number, ...(isNew && { value: network }) },
      ...(ofKeys && { keys: ofKeys }),
    };
    return { task, keys };
  }

  #abandon(): void {
    this.#worker = undefined;
    this.#started = undefined;
    this.#kept.keys.clear();
    this.#kept.networks.clear();
  }

  async #kill(): Promise<void> {
    const worker = this.#worker;
    this.#abandon();
    await worker?.then(
      (started) => started.terminate(),
      () => undefined,
    );
    // Started now, so that the next job does not wait for it.
    if (!this.#closed) void this.ready().catch(() => undefined);
  }
}

function startWorker(options: WorkerOptions): Promise<Worker> {
  // Threads do not run TypeScript by `--import tsx`, as processes do: they register it themselves.
  const boot = `import(${JSON.stringify(import.meta.resolve('tsx/esm/api'))}).then((tsx) => {
    tsx.register();
    return import(${JSON.stringify(new URL('./worker.ts', import.meta.url).href)});
  })`;
  const worker = new Worker(boot, {
    eval: true,
    execArgv: [],
    workerData: options,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
  });
  return new Promise((resolve, reject) => {
    const fail = (error?: Error): void => {
      clearTimeout(timer);
      void worker.terminate();
      reject(new MozaikError('HOMOMORPHIC_STOPPED', 'a worker does not start', { cause: error }));
    };
    const timer = setTimeout(fail, START_TIMEOUT_MS);
    worker.once('error', fail);
    worker.once('message', () => {
      clearTimeout(timer);
      worker.off('error', fail);
      // A thread that fails between two jobs, or while it is being killed, must not end the process.
      worker.on('error', () => undefined);
      // An idle worker keeps no process alive.
      worker.unref();
      resolve(worker);
    });
  });
}
