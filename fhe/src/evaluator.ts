/**
 * The server's side of the homomorphic path: computes on ciphertexts in threads of its own, which are
 * killed and replaced when a job takes too long, is called off, or fails in a way that is not foreseen.
 */
import { MozaikError } from '@mozaik/protocol';
import { Worker } from 'node:worker_threads';
import { openFrame } from './frame.ts';
import { checkNetwork, type SquareNetwork } from './network.ts';
import type { Layout } from './parameters.ts';
import type { Answer, Task } from './worker.ts';

export interface EvaluatorOptions {
  /** Threads, each with its own memory of at most 512 MB. */
  workers?: number;
  /** Longest time that one job may compute, ms; waiting for a free thread does not count. */
  timeoutMs?: number;
  /** Most jobs that wait: a flood of requests must not fill the memory. */
  maxWaiting?: number;
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

const DEFAULTS = { workers: 1, timeoutMs: 30_000, maxWaiting: 64 } as const;
/** Keys and networks that a worker keeps ready, each: 30 MB of memory for the keys of a user. */
const KEPT = 4;
/** JavaScript heap of a worker, MB. The kernels' memory has a bound of its own. */
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
      () => new Thread(this.#options.timeoutMs, this.#numbers),
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
   * Lets go of what was made ready of these keys, with the next job: after a revocation, or when a new
   * epoch has brought others. They open nothing; the memory is wiped all the same.
   */
  forget(evaluationKeys: Uint8Array): void {
    this.#numbers.drop(evaluationKeys);
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

const stopped = (detail: string): MozaikError => new MozaikError('HOMOMORPHIC_STOPPED', detail);

/** Numbers for the objects that workers keep, as objects have no identity in another thread. */
class Numbers {
  readonly #numbers = new WeakMap<object, number>();
  readonly #dropped = new Set<number>();
  #last = 0;

  of(object: object): number {
    const number = this.#numbers.get(object) ?? ++this.#last;
    this.#numbers.set(object, number);
    return number;
  }

  drop(object: object): void {
    const number = this.#numbers.get(object);
    if (number !== undefined) this.#dropped.add(number);
    this.#numbers.delete(object);
  }

  isDropped(number: number): boolean {
    return this.#dropped.has(number);
  }
}

/** One worker after another, each until it has to be killed. */
class Thread {
  busy = false;
  readonly #timeoutMs: number;
  readonly #numbers: Numbers;
  #worker: Promise<Worker> | undefined;
  /** What the worker holds, the latest used last. */
  readonly #kept = { keys: new Set<number>(), networks: new Set<number>() };
  #stop: ((reason: string) => void) | undefined;
  #closed = false;

  constructor(timeoutMs: number, numbers: Numbers) {
    this.#timeoutMs = timeoutMs;
    this.#numbers = numbers;
  }

  ready(): Promise<Worker> {
    if (!this.#worker) {
      const starting = startWorker();
      this.#worker = starting;
      // One that does not start, or ends by itself, is replaced with the next job.
      const lost = (): void => {
        if (this.#worker === starting) this.#abandon();
      };
      starting.then((worker) => worker.once('exit', lost), lost);
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
      this.busy = false;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#stop?.('the evaluator is closed');
    await this.#kill();
  }

  #ask(worker: Worker, job: Job): Promise<Uint8Array> {
    const task = this.#task(job);
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
      const onError = (): void => kill('its worker ran out of memory or failed');
      const onExit = (): void => kill('its worker ended');
      const onMessage = (answer: Answer): void => {
        if ('reply' in answer) {
          end();
          resolve(answer.reply);
          return;
        }
        const error = new MozaikError(answer.code, answer.detail);
        // It may have failed before it kept them.
        if (task.keys?.value) this.#kept.keys.delete(task.keys.id);
        // After a failure that is not foreseen the state of the worker is not known either.
        if (answer.code === 'INTERNAL') kill('its worker failed');
        else {
          end();
          reject(error);
        }
      };
      worker.on('message', onMessage);
      worker.on('error', onError);
      worker.on('exit', onExit);
      worker.postMessage(task);
    });
  }

  /** The message for a job: keys and network only when the worker does not have them. */
  #task({ layout, network, evaluationKeys, request, beats }: Job): Task {
    const forget: number[] = [];
    const place = (kept: Set<number>, object: object): { id: number; isNew: boolean } => {
      const id = this.#numbers.of(object);
      const isNew = !kept.delete(id);
      kept.add(id);
      for (const other of kept) {
        const isOldest = kept.size > KEPT;
        if (!isOldest && !this.#numbers.isDropped(other)) continue;
        kept.delete(other);
        forget.push(other);
      }
      return { id, isNew };
    };
    const ofNetwork = place(this.#kept.networks, network);
    const ofKeys = layout === 'single' && place(this.#kept.keys, evaluationKeys);
    return {
      layout,
      network: { id: ofNetwork.id, ...(ofNetwork.isNew && { value: network }) },
      ...(ofKeys && {
        keys: { id: ofKeys.id, ...(ofKeys.isNew && { value: evaluationKeys }) },
      }),
      request,
      beats,
      forget,
    };
  }

  #abandon(): void {
    this.#worker = undefined;
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

function startWorker(): Promise<Worker> {
  // Threads do not run TypeScript by `--import tsx`, as processes do: they register it themselves.
  const boot = `import(${JSON.stringify(import.meta.resolve('tsx/esm/api'))}).then((tsx) => {
    tsx.register();
    return import(${JSON.stringify(new URL('./worker.ts', import.meta.url).href)});
  })`;
  const worker = new Worker(boot, {
    eval: true,
    execArgv: [],
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
