/** `mozaik up` as a process: it classifies, survives the loss of its parts, and goes on later. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { json, mozaik, MOZAIK, Running, temporaryFolder } from './support.ts';

/** A slow machine, and one that builds something else meanwhile. */
const TIMEOUT_MS = 400_000;

const beatsOf = ({ events }: Running) =>
  events.filter(({ event }) => event === 'result') as unknown as {
    device: string;
    sequence: number;
    class: string;
    authentic: boolean;
    anomaly: boolean;
    alert: boolean;
    time: string;
  }[];
const messagesOf = ({ events }: Running) =>
  events.filter(({ event }) => event === 'message').map(({ text }) => String(text));

/** Pids of the services of a running stack that have this entry point. */
function servicePids(up: Running, entry: string): number[] {
  const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=,ppid=,args='], { encoding: 'utf8' });
  return stdout
    .split('\n')
    .map((line) => line.trim().split(/ +/))
    .filter(([, parent, ...args]) => parent === `${up.process.pid}` && args.join().includes(entry))
    .map(([pid]) => Number(pid));
}

/** What waits for a service that hangs takes half a minute; a service that hangs is killed after 5 s. */
const SOON_MS = 25_000;

async function expectSoon(end: () => Promise<number | null>): Promise<void> {
  const begun = performance.now();
  expect(await end()).toBe(0);
  expect(performance.now() - begun).toBeLessThan(SOON_MS);
}

const consentsIn = async (data: string) =>
  (await json<{ consents: object[] }>('user', 'consent', 'list', '--data', data)).consents;

describe('the stack', () => {
  const data = path.join(temporaryFolder(), 'data');
  const args = ['up', '--data', data, '--boards', '2', '--rate', '4', '--json'];
  let first: Running;
  let last: Running;

  beforeAll(async () => {
    first = new Running(...args);
    await first.ready();
    await first.until(() => beatsOf(first).length >= 12);
  }, TIMEOUT_MS);
  afterAll(() => void first.process.kill('SIGKILL'));

  test('shows each heartbeat of each board once', () => {
    const beats = beatsOf(first);
    const keys = new Set(beats.map(({ device, sequence }) => `${device}/${sequence}`));
    expect(keys.size).toBe(beats.length);
    expect(new Set(beats.map(({ device }) => device)).size).toBe(2);
    for (const beat of beats) {
      expect(beat.authentic).toBe(true);
      expect(beat.alert).toBe(beat.anomaly);
      expect(Math.abs(Date.now() - Date.parse(beat.time))).toBeLessThan(TIMEOUT_MS);
    }
  });

  test('is for one process at a time', async () => {
    const second = new Running(...args);
    expect(await second.ended).toBe(1);
    expect(second.stderr).toMatch(/^mozaik: CONFLICT: .*another "mozaik up" is running on .*\n$/);
    expect(first.process.exitCode).toBeNull();
  });

  test.each([
    // It may have logged something before, such as a job that failed with the party.
    ['a party', 'mpc/src/node/main.ts', /^(party \d) ended with SIGKILL.*; it is started again$/],
    ['the backend', 'backend/src/main.ts', /^(backend) ended with SIGKILL.*; it is started again$/],
  ])(
    'starts %s again when it is killed',
    async (_name, entry, ended) => {
      process.kill(servicePids(first, entry)[0], 'SIGKILL');
      const name = () => messagesOf(first).flatMap((text) => ended.exec(text)?.[1] ?? [])[0];
      await first.until(() => messagesOf(first).includes(`${name()} is back`));
      const before = Date.now();
      await first.until(() => beatsOf(first).some(({ time }) => Date.parse(time) > before));
    },
    TIMEOUT_MS,
  );

  test(
    'ends well, and goes on where it was',
    async () => {
      const consents = await consentsIn(data);
      expect(consents).toHaveLength(2);
      expect(await first.interrupt()).toBe(0);
      expect(messagesOf(first).at(-1)).toBe('stopping');

      const second = new Running(...args);
      await second.ready();
      const restarted = Date.now();
      await second.until(() => beatsOf(second).some(({ time }) => Date.parse(time) > restarted));
      // The consents are still in force and are used again.
      expect(await consentsIn(data)).toEqual(consents);

      // Nothing is shown twice, and what was stored before the end is classified after it.
      const beats = [...beatsOf(first), ...beatsOf(second)];
      const shown = new Set(beats.map(({ device, sequence }) => `${device}/${sequence}`));
      expect(shown.size).toBe(beats.length);
      for (const { device } of beats.slice(0, 1).concat(beats.slice(-1))) {
        const { windows } = await json<{ windows: { sequence: number; time: string }[] }>(
          ...['user', 'samples', '--data', data, '--device', device, '--show'],
        );
        const earlier = windows.filter(({ time }) => Date.parse(time) < restarted);
        const missing = () => earlier.filter(({ sequence: n }) => !has(second, device, n));
        const has = (up: Running, id: string, n: number) =>
          [...beatsOf(first), ...beatsOf(up)].some((b) => b.device === id && b.sequence === n);
        await second.until(() => missing().length === 0);
      }
      // The ledger goes on: no board has used a number again.
      const last = Math.max(...beatsOf(first).map(({ sequence }) => sequence));
      const fresh = beatsOf(second).filter(({ time }) => Date.parse(time) > restarted);
      for (const { sequence } of fresh) expect(sequence).toBeGreaterThan(last);

      const { code, stdout } = await mozaik('user', 'results', '--data', data);
      expect(code).toBe(0);
      expect(stdout).toMatch(/ALERT/);
      expect(await second.interrupt()).toBe(0);
    },
    TIMEOUT_MS,
  );

  test(
    'killed itself, it leaves nothing behind that is in the way',
    async () => {
      const killed = new Running(...args);
      await killed.ready();
      killed.process.kill('SIGKILL');
      await killed.ended;
      // The services notice that they are alone.
      const deadline = Date.now() + 60_000;
      last = new Running(...args);
      while (Date.now() < deadline) {
        const code = await Promise.race([last.ended, last.ready().then(() => 'ready')]).catch(
          () => 1,
        );
        if (code === 'ready') break;
        last = new Running(...args);
      }
      await last.ready();
    },
    TIMEOUT_MS,
  );

  test(
    'ends without waiting for a party that cannot come back',
    async () => {
      // A backend that hangs: the party could wait for it for half a minute.
      process.kill(servicePids(last, 'backend/src/main.ts')[0], 'SIGSTOP');
      const parties = () => servicePids(last, 'mpc/src/node/main.ts');
      const [killed] = parties();
      process.kill(killed, 'SIGKILL');
      await last.until(() => parties().length === 3 && !parties().includes(killed));
      await expectSoon(() => last.interrupt());
      expect(messagesOf(last).at(-1)).toBe('stopping');
    },
    TIMEOUT_MS,
  );
});

test(
  'a Ctrl-C while it starts is no failure, and is not kept waiting',
  async () => {
    const up = new Running('up', '--data', temporaryFolder(), '--json');
    await up.until(() => servicePids(up, 'backend/src/main.ts').length > 0);
    process.kill(servicePids(up, 'backend/src/main.ts')[0], 'SIGSTOP');
    await expectSoon(() => up.interrupt());
    expect(up.stderr).toBe('');
  },
  TIMEOUT_MS,
);

test('a reader that goes away is no failure', () => {
  const command = `"${process.execPath}" "${MOZAIK}" user --help | true; exit "\${PIPESTATUS[0]}"`;
  expect(spawnSync('bash', ['-c', command], { encoding: 'utf8' }).stderr).not.toContain('EPIPE');
});
