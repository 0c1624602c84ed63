/** `kill -9` of a party in the middle of a job: the job fails cleanly, the next attempt succeeds. */
import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { toHex } from '@mozaik/protocol';
import { stackSettings } from '../../src/stack/settings.ts';
import { startStack, type StackEvent } from '../../src/stack/stack.ts';
import { atEnd, openScene, sleep, temporaryFolder, until } from './scene.ts';

const BEATS = 400;
const VICTIM = 1;
/** How long the parties have computed when one is stopped, ms: so many beats take longer. */
const MIDDLE_MS = 150;
/** How long the others then wait for it before it is killed, ms. */
const STOPPED_MS = 300;
/** The others notice far sooner than after their time limit of 20 s. */
const NOTICE_MS = 5_000;

/** How many connections to these ports stand, by the kernel's table (proc(5), `/proc/net/tcp`). */
function connectionsTo(ports: number[]): number {
  const ESTABLISHED = '01';
  const wanted = new Set(ports.map((port) => port.toString(16).toUpperCase().padStart(4, '0')));
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => state === ESTABLISHED && wanted.has(local.slice(-4))).length;
}

const isLinux = process.platform === 'linux';
if (!isLinux) console.log('skipped: the connections of parties are seen on Linux only');
(isLinux ? test : test.skip)(
  'a party is killed in the middle of a job, and started again',
  async () => {
    const events: StackEvent[] = [];
    const dataDir = temporaryFolder();
    const stack = await startStack({ dataDir, onEvent: (event) => events.push(event) });
    atEnd(() => stack.stop());
    const scene = await openScene(stack, dataDir);
    const { api } = scene.household;
    await scene.beat(BEATS, 2000);
    expect(await scene.board.flush(20_000)).toBe(true);

    const consent = await scene.consent('once');
    const jobs = () =>
      api.jobs(consent) as Promise<{ job: Uint8Array; state: string; code?: string }[]>;
    await until(
      async () => (await jobs())[0]?.state === 'running',
      () => 'the job runs',
      10_000,
    );
    const { partyPorts } = await stackSettings(dataDir);
    await until(
      () => connectionsTo(partyPorts) === partyPorts.length,
      () => 'the parties are connected',
      10_000,
    );
    await sleep(MIDDLE_MS);
    const victim = stack.parties[VICTIM].process;
    victim.kill('SIGSTOP');
    await sleep(STOPPED_MS);
    expect((await jobs())[0].state).toBe('running');
    const killed = performance.now();
    victim.kill('SIGKILL');

    // Cleanly: both others stop at once and say why; nothing of this job is ever delivered.
    await until(
      async () => (await jobs())[0].state === 'failed',
      () => 'it fails',
      NOTICE_MS,
    );
    const [first] = await jobs();
    expect(first.code).toBe('PEER_LOST');
    const failures = () =>
      events.flatMap((one) =>
        one.kind === 'party' &&
        one.event.event === 'job-failed' &&
        one.event.job === toHex(first.job)
          ? [one]
          : [],
      );
    await until(
      () => failures().length === 2,
      () => 'both others stop',
      NOTICE_MS,
    );
    expect(performance.now() - killed).toBeLessThan(NOTICE_MS);
    expect(failures().map(({ event }) => event.code)).toEqual(['PEER_LOST', 'PEER_LOST']);
    expect(
      failures()
        .map(({ index }) => index)
        .sort(),
    ).toEqual([0, 2]);
    expect(events.filter(({ kind }) => kind === 'ended')).toHaveLength(1);
    expect(scene.results.size).toBe(0);

    await stack.restart(VICTIM);
    await until(
      () => scene.results.size === BEATS,
      () => `${scene.results.size} results`,
      40_000,
    );
    expect(scene.tally()).toEqual({ beats: BEATS, once: BEATS, more: 0, equal: BEATS });
    expect(scene.errors).toEqual([]);

    const all = await jobs();
    const last = all.at(-1)!;
    expect(last.state).toBe('done');
    expect(all.slice(0, -1).every(({ state }) => state === 'failed')).toBe(true);
    // A fresh session each time.
    expect(new Set(all.map(({ job }) => toHex(job))).size).toBe(all.length);
    expect(scene.jobs).toEqual([toHex(last.job)]);
  },
  120_000,
);
