/** The homomorphic path through the command line: server, provider, user and agent, each by a command. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { loadDevices, loadUser } from '@mozaik/client';
import { runSensor } from '@mozaik/firmware/node';
import { toHex } from '@mozaik/protocol';
import { beatsFromSynthesiser } from '../../src/ecg/index.ts';
import { SHIPPED_SQUARE_MODEL } from '../../src/stack/household.ts';
import { json, mozaik, Running, temporaryFolder } from './support.ts';

const TIMEOUT_MS = 240_000;
const BEATS = 3;
const AUDIENCE = 'test';

test(
  'a server is run, a model sealed to it, a consent given, and beats are classified',
  async () => {
    const folder = temporaryFolder();
    const file = (name: string, content: object) => {
      writeFileSync(path.join(folder, name), JSON.stringify(content));
      return path.join(folder, name);
    };
    const dir = path.join(folder, 'anna');
    const serverDir = path.join(folder, 'server');
    const backendConfig = { dataDir: path.join(folder, 'backend'), audience: AUDIENCE };
    const config = file('backend.json', { ...backendConfig, logLevel: 'error' });
    const backend = new Running('backend', 'run', '--json', '--config', config);
    await backend.until((events) => events.length > 0);
    const [{ httpUrl, mqttUrl }] = backend.events as [{ httpUrl: string; mqttUrl: string }];

    const { server } = await json<{ server: string }>('fhe', 'create', '--data', serverDir);
    const again = await mozaik('fhe', 'create', '--data', serverDir);
    expect(again.stderr).toMatch(/^mozaik: CONFLICT: /);
    const options = { dataDir: serverDir, name: 'server', backendUrl: httpUrl, mqttUrl };
    const bad = file('bad.json', { ...options, audience: AUDIENCE, workers: 0 });
    expect((await mozaik('fhe', 'run', '--config', bad)).stderr).toMatch(/^mozaik: INPUT_FILE: /);
    const good = file('server.json', { ...options, audience: AUDIENCE });
    const running = new Running('fhe', 'run', '--json', '--config', good);
    await running.until((events) => events.some(({ event }) => event === 'connected'));
    const shown = await json<{ server: string; descriptorFile: string; descriptor: string }>(
      ...['fhe', 'show', '--data', serverDir],
    );
    expect(shown.server).toBe(server);

    const where = ['--backend', httpUrl, '--audience', AUDIENCE];
    const provider = ['--dir', path.join(folder, 'provider'), ...where];
    const pin = ['--descriptor', shown.descriptorFile];
    const { model } = await json<{ model: string }>(
      ...['model', 'deal', SHIPPED_SQUARE_MODEL, ...provider, ...pin],
    );
    await json('user', 'create', '--dir', dir);
    const pinned = await json<{ party: string; role: string }>(
      ...['user', 'pin', '--dir', dir, ...pin],
    );
    expect(pinned).toMatchObject({ party: server, role: 'server', host: null });
    const self = ['--dir', dir, ...where];
    const { token } = await json<{ token: string }>(
      ...['user', 'device', 'add', 'strap', ...self, '--show-token'],
    );
    const giving = ['user', 'consent', 'give', ...self, '--device', 'strap', '--model', model];
    expect((await mozaik(...giving)).stderr).toMatch(/0 parties are pinned/);
    const { consent } = await json<{ consent: string }>(...giving, '--path', 'fhe');
    const { consents } = await json<{ consents: { protocol: string }[] }>(
      ...['user', 'consent', 'list', ...self],
    );
    expect(consents).toMatchObject([{ protocol: 'ckks-one-server' }]);

    const [device] = await loadDevices(dir);
    const board = runSensor({
      masterKey: device.masterKey.expose(),
      userId: (await loadUser(dir)).identity.id,
      stream: 0,
      ledgerFolder: path.join(folder, 'ledger'),
      host: '127.0.0.1',
      port: Number(new URL(mqttUrl).port),
      username: toHex(device.id),
      password: token,
    });
    for (const { window } of beatsFromSynthesiser({ seed: 5, beats: BEATS })) {
      board.sensor.beat(window, Date.now());
    }
    expect(await board.flush(10_000)).toBe(true);
    board.close();

    const agent = new Running('user', 'agent', ...self, '--broker', mqttUrl, '--json');
    await agent.until((events) => events.some(({ samples }) => samples === BEATS));
    expect(agent.stderr).toContain('the only place that ever holds them');
    const jobs = () =>
      json<{ jobs: { state: string }[] }>('user', 'jobs', ...self, '--consent', consent);
    while ((await jobs()).jobs[0]?.state === 'running') await sleep(100);
    const { heartbeats } = await json<{ heartbeats: object[] }>(
      ...['user', 'results', ...self, '--consent', consent],
    );
    expect(heartbeats).toHaveLength(BEATS);
    for (const row of heartbeats) expect(row).toMatchObject({ authentic: true, margin: null });
    expect(await json('user', 'rekey', '--dir', dir)).toMatchObject({ epoch: 2 });

    expect(await agent.interrupt()).toBe(0);
    expect(await running.interrupt()).toBe(0);
    expect(await backend.interrupt()).toBe(0);
  },
  TIMEOUT_MS,
);
