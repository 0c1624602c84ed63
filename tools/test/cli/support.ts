/** Runs the command line, in this process or as one of its own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, jest } from '@jest/globals';
import { run } from '../../src/cli.ts';

/** The executable. */
export const MOZAIK = path.resolve(import.meta.dirname, '../../bin/mozaik.js');

/** A folder that is removed after the tests of a file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'mozaik-cli-'));
  folders.push(folder);
  return folder;
}
const folders: string[] = [];
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a command in this process. */
export async function mozaik(...args: string[]): Promise<Outcome> {
  const outcome = { code: 0, stdout: '', stderr: '' };
  const capture = (stream: 'stdout' | 'stderr') =>
    jest.spyOn(process[stream], 'write').mockImplementation((text) => {
      outcome[stream] += String(text);
      return true;
    });
  const spies = [capture('stdout'), capture('stderr')];
  try {
    outcome.code = await run(['node', 'mozaik', ...args]);
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
  return outcome;
}

/** Runs a command with `--json` in this process; it must succeed. */
export async function json<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await mozaik(...args, '--json');
  if (code !== 0) throw new Error(`${args.join(' ')}: ${stderr}`);
  return JSON.parse(stdout) as T;
}

/** A command in a process of its own that prints events as lines of JSON. */
export class Running {
  readonly process: ChildProcess;
  readonly events: Record<string, unknown>[] = [];
  readonly ended: Promise<number | null>;
  #stderr = '';

  constructor(...args: string[]) {
    this.process = spawn(process.execPath, [MOZAIK, ...args]);
    createInterface({ input: this.process.stdout! }).on('line', (line) => {
      this.events.push(JSON.parse(line) as Record<string, unknown>);
    });
    this.process.stderr!.on('data', (chunk: Buffer) => (this.#stderr += chunk.toString()));
    this.ended = new Promise((resolve) => this.process.once('close', resolve));
    running.push(this);
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** Waits until `enough` of these events; by default longer than the backend waits for a lost job. */
  async until(enough: (events: Running['events']) => boolean, timeoutMs = 180_000): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!enough(this.events)) {
      if (this.process.exitCode !== null) throw new Error(`ended early: ${this.stderr}`);
      if (performance.now() > deadline) throw new Error(`timed out: ${this.stderr}`);
      await sleep(50);
    }
  }

  /** Waits until it is ready, and returns what it says then. */
  async ready(): Promise<Record<string, string>> {
    const isReady = ({ event }: Record<string, unknown>) => event === 'ready';
    await this.until((events) => events.some(isReady));
    return this.events.find(isReady) as Record<string, string>;
  }

  /** Interrupts it and returns its exit code. */
  async interrupt(): Promise<number | null> {
    this.process.kill('SIGINT');
    return this.ended;
  }
}
const running: Running[] = [];
afterAll(async () => {
  for (const { process, ended } of running) {
    process.kill('SIGKILL');
    await ended;
  }
});
