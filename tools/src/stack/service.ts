/** A service of the local stack: a child process that reports events as JSON lines. */
import { fork, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { MozaikError } from '@mozaik/protocol';

/** Longest wait for a service to report that it is ready, ms. */
const READY_TIMEOUT_MS = 30_000;
/** A service that has not ended this long after it was asked to is killed, ms. */
const STOP_TIMEOUT_MS = 5_000;

/** A line that names an error, among those of a stack trace. */
const SAYS_ERROR = /^\w*(Error|[A-Z]{2,})\b.*:/;

export interface ServiceOptions {
  /** For messages: "backend", "party 1". */
  name: string;
  /** URL of the entry point, a TypeScript source. */
  entry: string;
  /** Environment variable and value that carry the configuration. */
  env: Record<string, string>;
  /** Whether a line means that the service is ready. */
  isReady: (line: Record<string, unknown>) => boolean;
  /** Called for each line, the ready one included. */
  onLine?: (line: Record<string, unknown>) => void;
  /** Ends the start of the service early; once it is ready, only `stop` ends it. */
  signal?: AbortSignal;
  /** Called when the process ends without having been asked to. */
  onExit?: (reason: string) => void;
}

export interface Service {
  readonly name: string;
  readonly process: ChildProcess;
  /** The line that said that it is ready. */
  readonly ready: Record<string, unknown>;
  stop(): Promise<void>;
}

/**
 * Starts a service and waits until it is ready. It ends with this process, however that ends: the
 * service notices that its channel to us is gone.
 *
 * @throws MozaikError UNAVAILABLE with the line of its error output that says most, or when `signal` aborts
 */
export async function startService(options: ServiceOptions): Promise<Service> {
  const { name, entry, env, isReady, onLine, signal, onExit } = options;
  if (signal?.aborted) throw new MozaikError('UNAVAILABLE', `${name} is not wanted any more`);
  const child = fork(new URL(entry), {
    env: { ...process.env, ...env },
    execArgv: ['--import', import.meta.resolve('tsx')],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    // A Ctrl-C at the terminal is for us alone, who end the services in order.
    detached: true,
  });
  let complaint = '';
  let stopping = false;
  createInterface({ input: child.stderr! }).on('line', (line) => {
    if (complaint === '' || (!SAYS_ERROR.test(complaint) && line.trim() !== '')) complaint = line;
  });

  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const reason = (code: number | null, killedBy: string | null) =>
    `${name} ended with ${killedBy ?? `code ${code}`}${complaint ? `: ${complaint}` : ''}`;
  const stop = async () => {
    stopping = true;
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await exited;
    clearTimeout(timer);
  };
  const giveUp = () => void stop();

  signal?.addEventListener('abort', giveUp);
  const ready = await new Promise<Record<string, unknown>>((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new MozaikError('UNAVAILABLE', `${name} was not ready in ${READY_TIMEOUT_MS} ms`));
    }, READY_TIMEOUT_MS);
    child.once('close', (code, killedBy) => {
      clearTimeout(timer);
      reject(new MozaikError('UNAVAILABLE', reason(code, killedBy)));
    });
    createInterface({ input: child.stdout! }).on('line', (text) => {
      let line: Record<string, unknown>;
      try {
        line = JSON.parse(text) as Record<string, unknown>;
      } catch {
        return;
      }
      onLine?.(line);
      if (isReady(line)) {
        clearTimeout(timer);
        resolve(line);
      }
    });
  }).finally(() => signal?.removeEventListener('abort', giveUp));
  child.once('close', (code, killedBy) => {
    if (!stopping) onExit?.(reason(code, killedBy));
  });

  return { name, process: child, ready, stop };
}
