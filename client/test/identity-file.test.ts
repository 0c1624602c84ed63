import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { MozaikError, toHex } from '@mozaik/protocol';
import {
  createDevice,
  createProviderFile,
  createUserFile,
  loadDevice,
  loadDevices,
  loadProvider,
  loadUser,
  saveDevice,
} from '../src/index.ts';
import { codeOf, spellings } from './fixtures.ts';

let root: string;
let folder: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'mozaik-client-'));
  folder = join(root, 'me');
});
afterEach(() => rm(root, { recursive: true }));

const modeOf = async (path: string) => (await stat(path)).mode & 0o777;

describe('identities in a folder', () => {
  test('a user is the same after loading', async () => {
    const made = await createUserFile(folder);
    const loaded = await loadUser(folder);
    expect(loaded.identity.id).toStrictEqual(made.identity.id);
    expect(loaded.identity.secretKey.expose()).toStrictEqual(made.identity.secretKey.expose());
    expect(loaded.resultKeys.publicKey).toStrictEqual(made.resultKeys.publicKey);
    expect(loaded.resultKeys.secretKey.expose()).toStrictEqual(made.resultKeys.secretKey.expose());
    expect(loaded.identity.secretKey.expose().some((byte) => byte !== 0)).toBe(true);
  });

  test('a provider is the same after loading', async () => {
    const made = await createProviderFile(folder);
    expect((await loadProvider(folder)).id).toStrictEqual(made.id);
  });

  test('devices are the same after loading', async () => {
    const devices = [createDevice('chest'), createDevice('wrist')];
    for (const device of devices) await saveDevice(folder, device);
    const loaded = await loadDevices(folder);
    const keyed = (list: typeof devices) =>
      list.map(({ id, name, masterKey }) => [toHex(id), name, toHex(masterKey.expose())]).sort();
    expect(keyed(loaded)).toStrictEqual(keyed(devices));
    expect((await loadDevice(folder, devices[1].id)).name).toBe('wrist');
  });

  test('files are for their owner alone, and nothing else is left behind', async () => {
    await createUserFile(folder);
    const device = createDevice('chest');
    await saveDevice(folder, device);
    expect(await modeOf(folder)).toBe(0o700);
    expect(await modeOf(join(folder, 'devices'))).toBe(0o700);
    expect(await modeOf(join(folder, 'user.json'))).toBe(0o600);
    const name = `${toHex(device.id)}.json`;
    expect(await modeOf(join(folder, 'devices', name))).toBe(0o600);
    expect((await readdir(folder)).sort()).toStrictEqual(['devices', 'user.json']);
    expect(await readdir(join(folder, 'devices'))).toStrictEqual([name]);
  });

  test.each([0o640, 0o604, 0o620, 0o660, 0o644, 0o666, 0o601])(
    'a file of mode %o is not read',
    async (mode) => {
      await createUserFile(folder);
      await chmod(join(folder, 'user.json'), mode);
      expect(await codeOf(() => loadUser(folder))).toBe('INPUT_FILE');
      await expect(loadUser(folder)).rejects.toThrow(/user\.json.*chmod 600/);
    },
  );

  test('a folder that others may use takes no key', async () => {
    await mkdir(folder, { mode: 0o755 });
    await chmod(folder, 0o755);
    expect(await codeOf(() => createUserFile(folder))).toBe('INPUT_FILE');
    await expect(createUserFile(folder)).rejects.toThrow(/chmod 700/);
    expect(await readdir(folder)).toStrictEqual([]);
  });

  test('an identity or a master key is never overwritten', async () => {
    const made = await createUserFile(folder);
    expect(await codeOf(() => createUserFile(folder))).toBe('CONFLICT');
    expect((await loadUser(folder)).identity.id).toStrictEqual(made.identity.id);
    const device = createDevice('chest');
    await saveDevice(folder, device);
    expect(await codeOf(() => saveDevice(folder, device))).toBe('CONFLICT');
    expect((await readdir(folder)).sort()).toStrictEqual(['devices', 'user.json']);
  });

  test('what is not there is said to be missing', async () => {
    expect(await codeOf(() => loadUser(folder))).toBe('INPUT_FILE');
    expect(await codeOf(() => loadProvider(folder))).toBe('INPUT_FILE');
    expect(await codeOf(() => loadDevice(folder, new Uint8Array(16)))).toBe('INPUT_FILE');
  });

  test('a damaged file is said to be damaged, without a word of what is in it', async () => {
    await createUserFile(folder);
    const path = join(folder, 'user.json');
    const good = await readFile(path, 'utf8');
    const seed = /"signingSeed": "([0-9a-f]+)"/.exec(good)?.[1] ?? '';
    const damaged = [
      good.slice(0, -10),
      good.replace(seed, seed.slice(2)),
      good.replace(seed, seed.toUpperCase() + 'x'),
      good.replace('"v": 1', '"v": 2'),
      good.replace('"user"', '"provider"'),
      good.replace('{', '{"more": 1,'),
      `${seed}`,
      '',
    ];
    for (const text of damaged) {
      await writeFile(path, text);
      const error = await loadUser(folder).catch((thrown: unknown) => thrown as MozaikError);
      expect(error).toMatchObject({ code: 'STATE_CORRUPT' });
      expect(inspect(error, { depth: 9 })).not.toContain(seed.slice(0, 8));
    }
  });

  test("one device's key under another device's name is damage", async () => {
    const [a, b] = [createDevice('a'), createDevice('b')];
    await saveDevice(folder, a);
    await saveDevice(folder, b);
    const path = (device: typeof a) => join(folder, 'devices', `${toHex(device.id)}.json`);
    await writeFile(path(a), await readFile(path(b)));
    expect(await codeOf(() => loadDevice(folder, a.id))).toBe('STATE_CORRUPT');
  });

  test('secrets do not show when printed or put into JSON', async () => {
    const user = await createUserFile(folder);
    const device = createDevice('chest');
    const secrets = [user.identity.secretKey, user.resultKeys.secretKey, device.masterKey];
    const options = { depth: 9, showHidden: true, maxArrayLength: null };
    const shown = [inspect({ user, device }, options), JSON.stringify({ user, device })];
    for (const text of shown) {
      for (const secret of secrets) {
        for (const spelling of spellings(secret.expose())) expect(text).not.toContain(spelling);
      }
    }
  });
});
