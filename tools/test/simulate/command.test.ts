import { mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { Command } from 'commander';
import { Api, createUserFile, loadDevices } from '@mozaik/client';
import { deviceCommand } from '../../src/commands/device.ts';
import type { FleetReport } from '../../src/simulate/fleet.ts';
import { AUDIENCE, NO_VIOLATIONS, withBackend, withFolder } from './support.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

/** Runs `mozaik device simulate` and returns what it prints on standard output. */
async function simulate(...options: string[]): Promise<string> {
  const printed: string[] = [];
  const take = (text: string | Uint8Array) => printed.push(String(text)) > 0;
  jest.spyOn(process.stdout, 'write').mockImplementation(take);
  jest.spyOn(process.stderr, 'write').mockImplementation(() => true);
  const program = new Command().exitOverride();
  deviceCommand(program);
  await program.parseAsync(['node', 'mozaik', 'device', 'simulate', ...options]);
  return printed.join('');
}

const SHORT = ['--boards', '3', '--beats', '12', '--rate', '24'];

describe('mozaik device simulate', () => {
  test('runs by itself and prints one line of JSON', async () => {
    const printed = await simulate(
      ...['--local', '--json', ...SHORT, '--fault', 'duplicate=0.5', '--fault', 'delay=0.1'],
      ...['--skew-ms', '60000'],
    );
    expect(printed.trim().split('\n')).toHaveLength(1);
    const report = JSON.parse(printed) as FleetReport;
    expect(report).toMatchObject({ boards: 3, beats: 36, acknowledged: 36, holds: true });
    expect(report.violations).toEqual(NO_VIOLATIONS);
    expect(report.link.duplicates).toBeGreaterThan(0);
  });

  test('goes on with the boards that it has kept, and removes those that it has not', () =>
    withBackend(({ httpUrl, mqttUrl }, folder) =>
      withFolder(async (data) => {
        const userDir = path.join(folder, 'user');
        await mkdir(userDir, { mode: 0o700 });
        const { identity } = await createUserFile(userDir);
        const at = ['--backend', httpUrl, '--broker', mqttUrl, '--audience', AUDIENCE];
        const run = async (...options: string[]) =>
          JSON.parse(
            await simulate('--json', ...at, '--user', userDir, ...SHORT, ...options),
          ) as FleetReport;

        expect(await run('--data', data)).toMatchObject({ acknowledged: 36, holds: true });
        const again = await run('--data', data, '--fault', 'reboot=0.1');
        expect(again).toMatchObject({ holds: true, findings: { earlier: 36 } });
        expect(again.findings.intact).toBe(again.acknowledged);
        expect(await readdir(data)).toHaveLength(3);
        expect(await loadDevices(userDir)).toHaveLength(3);

        expect(await run()).toMatchObject({ acknowledged: 36, findings: { earlier: 0 } });
        const api = new Api({ url: httpUrl, audience: AUDIENCE, identity, role: 'user' });
        expect(await api.devices()).toHaveLength(3);
      }),
    ));

  test('prints a table, and fails when something is violated', () =>
    withBackend(async ({ httpUrl }, folder) => {
      const userDir = path.join(folder, 'user');
      await mkdir(userDir, { mode: 0o700 });
      await createUserFile(userDir);
      const running = simulate(
        ...['--backend', httpUrl, '--broker', 'mqtt://127.0.0.1:9', '--audience', AUDIENCE],
        ...['--user', userDir, '--boards', '1', '--beats', '2', '--rate', '30'],
        ...['--patience', '1'],
      );
      await expect(running).rejects.toMatchObject({ code: 'INTERNAL' });
    }));

  test.each([
    [['--local', '--fault', 'flood=0.1'], /a kind of drop, delay/],
    [['--local', '--fault', 'drop=2'], /KIND=PROBABILITY/],
    [['--local', '--fault', 'drop='], /KIND=PROBABILITY/],
    [['--local', '--boards', '0'], /whole number/],
    [['--local', '--data', 'x'], /of its own/],
    [['--local', '--record', '208'], /go together/],
    [['--backend', 'http://127.0.0.1:9'], /are needed/],
    [
      [
        ...['--backend', 'http://127.0.0.1:9', '--broker', 'mqtt://127.0.0.1'],
        '--audience',
        'a',
      ].concat(['--user', '/nonexistent']),
      /does not exist/,
    ],
    [
      [
        ...['--backend', 'http://127.0.0.1:9', '--broker', 'http://127.0.0.1'],
        '--audience',
        'a',
      ].concat(['--user', '.']),
      /mqtts:/,
    ],
  ])('refuses %j', async (options, reason) => {
    await expect(simulate(...options)).rejects.toThrow(reason);
  });
});
