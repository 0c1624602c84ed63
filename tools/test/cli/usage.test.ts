/** Mistakes of users: one sentence, the right exit code, no stack trace. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { mozaik, temporaryFolder } from './support.ts';

const HASH = '0'.repeat(64);

describe('wrong usage ends with 2', () => {
  test.each([
    ['usr', 'Did you mean user'],
    ['user pinn', 'Did you mean'],
    ['up --bords 3', 'Did you mean --boards'],
    ['up --boards many', 'expected a whole number from 0 on'],
    ['up --boards 13', '--boards is at most 12'],
    ['up --rate 0', 'expected a number from 0.1 to 50'],
    ['up --records here', '--records and --record go together'],
    ['demo --records here', '--records and --record go together'],
    ['user create', "required option '--dir <dir>' not specified"],
    ['user show --data /none', 'there is no local stack in /none'],
    ['user pins', 'there is no local stack in .mozaik: give --dir'],
    ['user pin --dir here', 'give --descriptor FILE'],
    ['user pin --dir here --party 12 --first-use', 'expected an id: 64'],
    ['user consent revoke abc', 'expected a hash: 64'],
    ['user consent revoke', "missing required argument 'hash'"],
    [`user consent give --device d --model ${HASH} --from yesterday`, 'expected a time such as'],
    ['user device add a b', 'too many arguments'],
    ['model train --records here', "required option '--out <file>' not specified"],
    ['party run', "required option '--config <file>' not specified"],
  ])('%s', async (line, sentence) => {
    const { code, stdout, stderr } = await mozaik(...line.split(' '));
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^mozaik: /);
    expect(stderr).toContain(sentence);
    expect(stderr).not.toContain('    at ');
  });

  test('a group without a command shows its help', async () => {
    const { code, stderr } = await mozaik('user');
    expect(code).toBe(2);
    expect(stderr).toMatch(/^Usage: mozaik user/);
  });

  test('a folder of its own needs a backend, and all of an address', async () => {
    const dir = path.join(temporaryFolder(), 'user');
    await mozaik('user', 'create', '--dir', dir);
    const jobs = (...more: string[]) => mozaik('user', 'jobs', '--dir', dir, ...more);
    expect((await jobs()).stderr).toContain('--dir goes with --backend and --audience');
    expect((await jobs('--backend', 'http://127.0.0.1:9')).code).toBe(2);
    const { code, stderr } = await jobs('--backend', 'ftp://here', '--audience', 'x');
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: 'mozaik: --backend takes an http or https address\n',
    });
  });
});

describe('what fails ends with 1 and its code', () => {
  test.each([
    ['user show --dir /none', 'INPUT_FILE'],
    ['up --records /none --record 1', 'INPUT_FILE'],
    ['model show /none.json', 'INPUT_FILE'],
    ['model evaluate --records /none', 'INPUT_FILE'],
    ['party show --data /none', 'INPUT_FILE'],
    ['party run --config /none.json', 'INPUT_FILE'],
    ['backend run --config /none.json', 'INPUT_FILE'],
    ['user pin --dir /dev/null --descriptor /none', 'INPUT_FILE'],
  ])('%s', async (line, expected) => {
    const { code, stdout, stderr } = await mozaik(...line.split(' '));
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(new RegExp(`^mozaik: ${expected}: .*\n$`));
  });

  test('a backend that is not there', async () => {
    const dir = path.join(temporaryFolder(), 'user');
    await mozaik('user', 'create', '--dir', dir);
    const where = ['--backend', 'http://127.0.0.1:9', '--audience', 'x'];
    const { code, stderr } = await mozaik('user', 'jobs', '--dir', dir, ...where);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^mozaik: UNAVAILABLE: .*\n$/);
  });

  test('a configuration file is refused without being quoted', async () => {
    const file = path.join(temporaryFolder(), 'config.json');
    writeFileSync(file, 'not JSON, but a private key');
    for (const service of ['backend', 'party']) {
      const { code, stderr } = await mozaik(service, 'run', '--config', file);
      expect(code).toBe(1);
      expect(stderr).toMatch(/^mozaik: INPUT_FILE: /);
      expect(stderr).not.toContain('private');
    }
    writeFileSync(file, JSON.stringify({ dataDir: 'x', audience: 'a', httpPrt: 1 }));
    expect((await mozaik('backend', 'run', '--config', file)).stderr).toContain(
      'httpPrt is unknown',
    );
    expect((await mozaik('party', 'run', '--config', file)).stderr).toContain('expected exactly');
  });
});
