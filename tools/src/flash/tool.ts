/** Programs of others that flash boards, run as child processes. */
import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { MozaikError } from '@mozaik/protocol';

/** What a tool may print at most, bytes: one that runs wild cannot fill the memory. */
const OUTPUT_MAX_BYTES = 1 << 20;
/** A tool that was told to end is killed after this time, ms. */
const GRACE_MS = 2000;

/** @throws MozaikError TOOL_MISSING with `install` when no such program is on the PATH */
export function findTool(name: string, install: string): string {
  for (const folder of (process.env.PATH ?? '').split(path.delimiter)) {
    const file = path.join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Not here.
    }
  }
  throw new MozaikError('TOOL_MISSING', `${name}: ${install}`);
}

/** Process groups that run: they do not outlive this process. */
const running = new Set<number>();
process.on('exit', () => {
  for (const pid of running) endGroup(pid, 'SIGKILL');
});

function endGroup(pid: number, how: NodeJS.Signals): void {
  try {
    process.kill(-pid, how);
  } catch {
    // It has ended.
  }
}

export interface ToolOptions {
  /** Given to it on a pipe; nothing when left out. */
  input?: Uint8Array;
  cwd?: string;
  env?: Record<string, string>;
  /** Ends it. */
  signal: AbortSignal;
}

/**
 * Runs a program to its end and returns what it printed.
 *
 * Its standard input is a pipe even where Node would use a socket, so that it can be opened as
 * `/dev/stdin`: a secret goes through it without ever being a file, an argument or a variable.
 *
 * @throws MozaikError BOARD_FAILED when it fails, without its output, which may quote what it was given;
 *   the signal's reason when that has ended it
 */
export async function runTool(file: string, args: string[], options: ToolOptions): Promise<string> {
  const { input, cwd, env, signal } = options;
  signal.throwIfAborted();
  const [command, commandArgs] =
    input === undefined ? [file, args] : ['sh', ['-c', 'cat | exec "$@"', 'sh', file, ...args]];
  const child = spawn(command, commandArgs, {
    // A group of its own: all of it is ended, and Ctrl-C reaches us first.
    detached: true,
    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    cwd,
    env: { ...process.env, ...env },
  });
  const { pid } = child;
  if (pid !== undefined) running.add(pid);
  const end = (how: NodeJS.Signals) => {
    if (pid !== undefined) endGroup(pid, how);
  };
  let killer: NodeJS.Timeout | undefined;
  const abort = () => {
    end('SIGTERM');
    killer = setTimeout(() => end('SIGKILL'), GRACE_MS);
  };
  signal.addEventListener('abort', abort, { once: true });
  let output = '';
  const collect = (chunk: Buffer) => {
    if (output.length < OUTPUT_MAX_BYTES) output += chunk.toString('latin1');
  };
  child.stdout!.on('data', collect);
  child.stderr!.on('data', collect);
  // A program that ends early does not read on; its exit code says so.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(input);
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    signal.throwIfAborted();
    if (code !== 0) {
      throw new MozaikError('BOARD_FAILED', `${path.basename(file)} ended with code ${code}`);
    }
    return output;
  } finally {
    if (pid !== undefined) running.delete(pid);
    clearTimeout(killer);
    signal.removeEventListener('abort', abort);
  }
}
