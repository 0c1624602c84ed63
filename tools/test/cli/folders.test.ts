/** Commands that need no running service. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { recordings } from '../ecg/shared.ts';
import { json, MOZAIK, mozaik, temporaryFolder } from './support.ts';

const ID = /^[0-9a-f]{64}$/;

test('a user is made once, and shown without secrets', async () => {
  const dir = path.join(temporaryFolder(), 'user');
  const made = await json<{ user: string }>('user', 'create', '--dir', dir);
  expect(made.user).toMatch(ID);
  expect(await json('user', 'show', '--dir', dir)).toEqual({
    user: made.user,
    dir,
    devices: 0,
    pins: 0,
  });
  const again = await mozaik('user', 'create', '--dir', dir);
  expect(again.code).toBe(1);
  expect(again.stderr).toMatch(/^mozaik: CONFLICT: /);

  const secrets = JSON.parse(readFileSync(path.join(dir, 'user.json'), 'utf8')) as object;
  const { stdout } = await mozaik('user', 'show', '--dir', dir);
  for (const value of Object.values(secrets)) {
    if (typeof value === 'string' && ID.test(value)) expect(stdout).not.toContain(value);
  }
});

test('a party is made once, and shown with its TLS key', async () => {
  const dir = path.join(temporaryFolder(), 'party');
  const made = await json<{ party: string; tlsFingerprint: string }>(
    ...['party', 'create', '--data', dir],
  );
  expect(made.party).toMatch(ID);
  expect(await json('party', 'show', '--data', dir)).toMatchObject({
    ...made,
    descriptorFile: null,
  });
  expect((await mozaik('party', 'create', '--data', dir)).code).toBe(1);
  expect((await mozaik('party', 'show', '--data', `${dir}-2`)).code).toBe(1);
  expect(existsSync(`${dir}-2`)).toBe(false);
});

describe('models', () => {
  test('the one that ships is shown', async () => {
    const shown = await json<{ parameters: number; widths: number[] }>('model', 'show');
    expect(shown.widths).toEqual([187, 64, 32, 5]);
    expect(shown.parameters).toBe(187 * 64 + 64 * 32 + 32 * 5 + 64 + 32 + 5);
    expect((await mozaik('model', 'show')).stdout).toContain('held out by person');
  });

  const dir = recordings();
  (dir === undefined ? test.skip : test)('one is measured on annotated records', async () => {
    const args = ['model', 'evaluate', '--records', dir!, '--record', '208', '--json'];
    const { stdout } = await promisify(execFile)(process.execPath, [MOZAIK, ...args]);
    type Figures = { beats: number; accuracy: number; records: object[] };
    const report = JSON.parse(stdout) as { float: Figures; fixed: Figures };
    for (const { records, beats, accuracy } of [report.float, report.fixed]) {
      expect(beats).toBeGreaterThan(2900);
      expect(accuracy).toBeGreaterThan(0.8);
      expect(records).toEqual([expect.objectContaining({ record: '208', beats, accuracy })]);
    }
  });
});
