/** The demonstration as people run it: one command, all processes, an exit code and one sentence. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { MozaikError } from '@mozaik/protocol';
import { stackSettings } from '../../src/stack/settings.ts';
import { startStack } from '../../src/stack/stack.ts';
import { atEnd, temporaryFolder, until } from './scene.ts';

const COMMAND = path.resolve(import.meta.dirname, '../../bin/mozaik.js');
const TIMEOUT_MS = 60_000;

interface Run {
  process: ChildProcess;
  out: () => string;
  errors: () => string;
  ended: Promise<number | null>;
}

function demo(...options: string[]): Run {
  const child = spawn(process.execPath, [COMMAND, 'demo', ...options], {
    env: { ...process.env, TMPDIR: temporaryFolder() },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  atEnd(() => child.kill('SIGKILL'));
  let out = '';
  let errors = '';
  child.stdout.on('data', (text: Buffer) => (out += text.toString()));
  child.stderr.on('data', (text: Buffer) => (errors += text.toString()));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return { process: child, out: () => out, errors: () => errors, ended };
}

/** Processes that `parent` has started: id and command line. */
function childrenOf(parent: number): { pid: number; args: string }[] {
  const table = execFileSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' });
  return table.split('\n').flatMap((line) => {
    const [, pid, ppid, args] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
    return Number(ppid) === parent ? [{ pid: Number(pid), args }] : [];
  });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Processes end by themselves, soon. */
async function expectGone(processes: { pid: number; args: string }[]): Promise<void> {
  const left = () => processes.filter(({ pid }) => isAlive(pid));
  try {
    await until(
      () => left().length === 0,
      () => JSON.stringify(left()),
      10_000,
    );
  } finally {
    for (const { pid } of left()) process.kill(pid, 'SIGKILL');
  }
}

/** The one sentence that a failure ends with: code, what happened, what to do. */
const SENTENCE = /^mozaik: [A-Z_]+: [A-Z][^\n]+\.\n$/;
const lastLine = (text: string) => text.slice(text.trimEnd().lastIndexOf('\n') + 1);

test(
  'ends well, with one line of JSON',
  async () => {
    const run = demo('--json', '--beats', '16');
    expect([await run.ended, run.errors()]).toEqual([0, expect.any(String)]);
    expect(run.out().trimEnd().split('\n')).toHaveLength(1);
    const summary = JSON.parse(run.out()) as Record<string, unknown>;
    expect(summary).toMatchObject({
      heartbeats: 16,
      classified: 16,
      failed: 0,
      agreement: 1,
      adversary: 'malicious',
    });
    const number = expect.any(Number) as unknown as number;
    expect(summary).toMatchObject({
      anomalies: number,
      accuracy: number,
      latencyMs: { p50: number, p95: number },
      rounds: number,
      megabytesPerParty: number,
    });
    const { accuracy, rounds, latencyMs, megabytesPerParty } = summary as unknown as {
      accuracy: number;
      rounds: number;
      latencyMs: { p50: number; p95: number };
      megabytesPerParty: number;
    };
    expect(accuracy).toBeGreaterThan(0.5);
    expect(rounds).toBeGreaterThan(0);
    expect(megabytesPerParty).toBeGreaterThan(0);
    expect(latencyMs.p50).toBeGreaterThan(0);
    expect(latencyMs.p95).toBeGreaterThanOrEqual(latencyMs.p50);
  },
  TIMEOUT_MS,
);

test(
  'a party that is killed ends it with one sentence, and no process stays',
  async () => {
    const run = demo('--json', '--beats', '120', '--rate', '30');
    await until(() => run.errors().includes('results of'), run.errors, TIMEOUT_MS);
    const services = childrenOf(run.process.pid!);
    const parties = services.filter(({ args }) => args.includes('node/main.ts'));
    expect(parties).toHaveLength(3);
    process.kill(parties[1].pid, 'SIGKILL');
    expect(await run.ended).toBe(1);
    expect(run.out()).toBe('');
    expect(lastLine(run.errors())).toMatch(SENTENCE);
    expect(lastLine(run.errors())).toMatch(/party \d ended with SIGKILL/);
    expect(run.errors()).not.toMatch(/\n\s+at /);
    await expectGone(services);
  },
  TIMEOUT_MS,
);

test(
  'when it is killed itself, its services end with it',
  async () => {
    const run = demo('--beats', '400');
    await until(() => run.errors().includes('party 3 is ready'), run.errors, TIMEOUT_MS);
    const services = childrenOf(run.process.pid!);
    expect(services.length).toBeGreaterThanOrEqual(4);
    run.process.kill('SIGKILL');
    await run.ended;
    await expectGone(services);
  },
  TIMEOUT_MS,
);

test(
  'a port of a party that is taken is one sentence, and no process stays',
  async () => {
    const dataDir = temporaryFolder();
    const { partyPorts } = await stackSettings(dataDir);
    const thief = createServer();
    await new Promise<void>((resolve) => thief.listen(partyPorts[2], '127.0.0.1', resolve));
    atEnd(() => thief.close());
    expect((thief.address() as AddressInfo).port).toBe(partyPorts[2]);
    const error: unknown = await startStack({ dataDir }).then(
      (stack) => stack.stop(),
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(MozaikError);
    const { code, message } = error as MozaikError;
    expect(code).toBe('UNAVAILABLE');
    expect(message).toContain('party 3');
    expect(message).toContain(String(partyPorts[2]));
    await until(
      () => childrenOf(process.pid).every(({ args }) => !args.includes('main.ts')),
      () => 'services end',
      10_000,
    );
  },
  TIMEOUT_MS,
);
