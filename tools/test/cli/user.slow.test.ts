/** The life of a user, a provider and their consents through the command line, on a local stack. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { loadDevices, loadUser } from '@mozaik/client';
import { runSensor } from '@mozaik/firmware/node';
import { toHex } from '@mozaik/protocol';
import { beatsFromSynthesiser } from '../../src/ecg/index.ts';
import { SHIPPED_MODEL } from '../../src/stack/household.ts';
import { json, mozaik, Running, temporaryFolder } from './support.ts';

const TIMEOUT_MS = 240_000;
const BEATS = 6;

describe('on a local stack', () => {
  const folder = temporaryFolder();
  const data = path.join(folder, 'data');
  const dir = path.join(folder, 'anna');
  const ledger = path.join(folder, 'ledger');
  let up: Running;
  /** Options that name the stack, for those who keep a folder of their own. */
  let where: string[];
  let model: string;
  let parties: string[];

  beforeAll(async () => {
    up = new Running('up', '--data', data, '--boards', '0', '--json');
    const { httpUrl, mqttUrl } = await up.ready();
    where = ['--dir', dir, '--backend', httpUrl, '--audience', 'mozaik-local'];
    broker = mqttUrl;
  }, TIMEOUT_MS);
  let broker: string;
  afterAll(() => up.interrupt(), TIMEOUT_MS);

  /** Publishes heartbeats as a device, now. */
  async function publish(name: string, password: string): Promise<void> {
    const user = await loadUser(dir);
    const device = (await loadDevices(dir)).find((held) => held.name === name)!;
    const { sensor, flush, close } = runSensor({
      masterKey: device.masterKey.expose(),
      userId: user.identity.id,
      stream: 0,
      ledgerFolder: ledger,
      host: '127.0.0.1',
      port: Number(new URL(broker).port),
      username: toHex(device.id),
      password,
    });
    try {
      const beats = beatsFromSynthesiser({ seed: 5, beats: BEATS });
      for (const { window } of beats) sensor.beat(window, Date.now());
      expect(await flush(10_000)).toBe(true);
    } finally {
      close();
    }
  }

  test('a user pins the parties, from files and on first use', async () => {
    await json('user', 'create', '--dir', dir);
    const shown = [];
    for (const n of [1, 2, 3]) {
      shown.push(
        await json<{ party: string; descriptorFile: string; descriptor: string }>(
          ...['party', 'show', '--data', path.join(data, `party-${n}`)],
        ),
      );
    }
    parties = shown.map(({ party }) => party);
    const [{ descriptorFile }, , { party }] = shown;
    await json('user', 'pin', '--dir', dir, '--descriptor', descriptorFile);
    await json('user', 'pin', ...where, '--party', shown[1].party, '--first-use');
    await json('user', 'pin', ...where, '--party', party, '--first-use');
    const { pins } = await json<{ pins: { party: string; descriptor: string }[] }>(
      ...['user', 'pins', '--dir', dir],
    );
    const pairs = (list: { party: string; descriptor: string }[]) =>
      list.map((pin) => `${pin.party} ${pin.descriptor}`).sort();
    expect(pairs(pins)).toEqual(pairs(shown));
    const { stderr } = await mozaik(
      'user',
      'pin',
      ...where,
      '--party',
      '0'.repeat(64),
      '--first-use',
    );
    expect(stderr).toMatch(/^mozaik: NOT_FOUND: /);
  });

  test(
    'a provider deals a model',
    async () => {
      const files = [1, 2, 3].map((n) => path.join(data, `party-${n}`, 'descriptor.cbor'));
      const provider = [...where.slice(2), '--dir', path.join(folder, 'provider')];
      const dealt = await json<{ model: string; name: string }>(
        ...['model', 'deal', SHIPPED_MODEL, ...provider, '--descriptor', ...files],
      );
      model = dealt.model;
      const { models } = await json<{ models: { model: string; parties: string[] }[] }>(
        ...['user', 'models', ...where],
      );
      expect(models.find((listed) => listed.model === model)?.parties).toEqual([...parties].sort());
    },
    TIMEOUT_MS,
  );

  test('a token is shown only to who asks for it', async () => {
    const quiet = await mozaik('user', 'device', 'add', 'strap', ...where);
    expect(quiet.code).toBe(0);
    expect(quiet.stdout).not.toMatch(/token|eyJ/);
    const again = await mozaik('user', 'device', 'add', 'strap', ...where);
    expect(again.stderr).toMatch(/^mozaik: CONFLICT: /);
    const shown = await json<{ token: string }>(
      ...['user', 'device', 'token', 'strap', ...where, '--show-token'],
    );
    expect(shown.token).toMatch(/^eyJ/);
    const [device] = await loadDevices(dir);
    const outputs = [quiet.stdout, (await mozaik('user', 'device', 'list', ...where)).stdout];
    for (const text of outputs) expect(text).not.toContain(toHex(device.masterKey.expose()));
  });

  test(
    'a one-off consent gives results, which the user opens',
    async () => {
      const { token } = await json<{ token: string }>(
        ...['user', 'device', 'token', 'strap', ...where, '--show-token'],
      );
      await publish('strap', token);
      const samples = ['user', 'samples', ...where, '--device', 'strap'];
      const summary = await json<{ samples: number; bad: object[] }>(...samples);
      expect(summary).toMatchObject({ samples: BEATS, bad: [], first: { sequence: 0 } });
      expect(summary).not.toHaveProperty('windows');
      const { windows } = await json<{ windows: { window: number[] }[] }>(...samples, '--show');
      expect(windows[0].window).toHaveLength(187);

      const { consent } = await json<{ consent: string }>(
        ...['user', 'consent', 'give', ...where, '--device', 'strap', '--model', model, '--once'],
        ...['--to', new Date(Date.now() + 60_000).toISOString(), '--parties', ...parties],
      );
      const jobs = () =>
        json<{ jobs: { state: string; samples: number }[] }>(
          ...['user', 'jobs', ...where, '--consent', consent],
        );
      while ((await jobs()).jobs[0]?.state !== 'done') await sleep(200);
      const { heartbeats } = await json<{ heartbeats: { class: string; name: string }[] }>(
        ...['user', 'results', ...where, '--consent', consent],
      );
      expect(heartbeats).toHaveLength(BEATS);
      for (const row of heartbeats) expect(row).toMatchObject({ name: 'strap', authentic: true });
      const { stdout } = await mozaik('user', 'results', ...where);
      expect(stdout.trim().split('\n')).toHaveLength(BEATS + 2);
    },
    TIMEOUT_MS,
  );

  test(
    'a streaming consent is followed, and ends when it is revoked',
    async () => {
      const { consent } = await json<{ consent: string }>(
        ...['user', 'consent', 'give', ...where, '--device', 'strap', '--model', model],
      );
      const follower = new Running(
        'user',
        'results',
        ...where,
        '--broker',
        broker,
        '--follow',
        '--json',
      );
      const { token } = await json<{ token: string }>(
        ...['user', 'device', 'token', 'strap', ...where, '--show-token'],
      );
      await publish('strap', token);
      await follower.until((events) => events.length === 2 * BEATS);
      expect(await follower.interrupt()).toBe(0);

      const state = async () =>
        (
          await json<{ consents: { consent: string; state: string }[] }>(
            ...['user', 'consent', 'list', ...where],
          )
        ).consents.find((listed) => listed.consent === consent)?.state;
      expect(await state()).toBe('active');
      await json('user', 'consent', 'revoke', consent, ...where);
      expect(await state()).toBe('revoked');
    },
    TIMEOUT_MS,
  );

  test('a removed device keeps its key and loses its registration', async () => {
    await json('user', 'device', 'remove', 'strap', ...where);
    const { devices } = await json<{ devices: object[] }>('user', 'device', 'list', ...where);
    expect(devices).toEqual([
      expect.objectContaining({ name: 'strap', registered: false, keyHeld: true }),
    ]);
  });

  test('the user of the stack itself needs --data only', async () => {
    const { pins } = await json<{ pins: object[] }>('user', 'pins', '--data', data);
    expect(pins).toHaveLength(3);
    const secrets = readFileSync(path.join(data, 'user', 'user.json'), 'utf8');
    const { stdout } = await mozaik('user', 'show', '--data', data);
    for (const [secret] of secrets.matchAll(/[0-9a-f]{64}/g)) expect(stdout).not.toContain(secret);
  });
});
