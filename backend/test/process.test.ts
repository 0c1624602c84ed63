/** The backend's options, and the backend as a process. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { resolveConfig, type BackendOptions } from '../src/config.ts';
import { AUDIENCE, start, temporaryFolder } from './support.ts';

const main = resolve(import.meta.dirname, '../src/main.ts');

function run(options: string | undefined) {
  const env: NodeJS.ProcessEnv = { PATH: process.env['PATH'] };
  if (options !== undefined) env['MOZAIK_BACKEND'] = options;
  const child = spawn(process.execPath, ['--import', 'tsx', main], { env });
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()));
  return { child, output, exited: once(child, 'exit') as Promise<[number | null]> };
}

describe('options', () => {
  const good = { dataDir: 'x', audience: AUDIENCE };
  const jwksUrl = 'https://example.org/keys';
  const oidc = { issuer: 'i', jwksUrl, audience: 'a', roleClaim: 'role', idClaim: 'id' };

  test.each([
    { ...good, host: '0.0.0.0' },
    { ...good, host: '192.168.1.1' },
    { ...good, host: 'example.org' },
    { ...good, host: '::' },
    { ...good, host: '127.example.org' },
    { audience: AUDIENCE, dataDir: '' },
    { dataDir: 'x', audience: 'two words' },
    { ...good, httpPort: -1 },
    { ...good, mqttPort: 70_000 },
    { ...good, allowedParties: ['me'] },
    { ...good, jobs: { maxAttempts: 0 } },
    { ...good, jobs: { attempts: 1 } as object },
    { ...good, limits: { publishRate: 1.5 } },
    { ...good, allowedPartys: [] } as object as BackendOptions,
    { ...good, oidc: { ...oidc, idClaim: '' } },
    { ...good, oidc: { ...oidc, jwksUrl: 'http://example.org/keys' } },
    { ...good, oidc: { ...oidc, jwksUrl: 'keys' } },
  ])('are refused: %j', (options) => {
    expect(() => resolveConfig(options)).toThrow(expect.objectContaining({ code: 'INPUT_FILE' }));
  });

  test.each(['127.0.0.1', '127.1.2.3', '::1', 'localhost'])('without TLS on %s', (host) => {
    expect(resolveConfig({ ...good, host }).host).toBe(host);
  });

  test('a public address with TLS', () => {
    expect(resolveConfig({ ...good, host: '0.0.0.0', tls: { key: '', cert: '' } }).host).toBe(
      '0.0.0.0',
    );
  });

  test('a second backend on the same folder or port fails with a reason', async () => {
    const dataDir = temporaryFolder();
    const first = await start({ dataDir });
    await expect(start({ dataDir })).rejects.toMatchObject({ code: 'STATE_CORRUPT' });
    const httpPort = Number(new URL(first.httpUrl).port);
    await expect(start({ httpPort })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(start({ mqttPort: httpPort })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});

describe('the process', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)(
    'says when it is ready, and ends well on %s',
    async (signal) => {
      const { child, output, exited } = run(
        JSON.stringify({ dataDir: temporaryFolder(), audience: AUDIENCE }),
      );
      await once(child.stdout, 'data');
      const line = JSON.parse(output.stdout) as {
        ready: boolean;
        httpUrl: string;
        mqttUrl: string;
      };
      expect(line.ready).toBe(true);
      expect(line.mqttUrl).toMatch(/^mqtt:\/\/127\.0\.0\.1:\d+$/);
      expect((await fetch(`${line.httpUrl}/healthz`)).status).toBe(200);
      child.kill(signal);
      expect((await exited)[0]).toBe(0);
      expect(output.stdout.trim().split('\n')).toHaveLength(1);
      for (const log of output.stderr.trim().split('\n'))
        expect(() => JSON.parse(log) as unknown).not.toThrow();
    },
  );

  test.each([
    undefined,
    '{"tls":{"key":"SECRET"',
    '[]',
    '{}',
    JSON.stringify({ dataDir: '/dev/null/x', audience: 'x' }),
  ])('fails with one line for %s', async (options) => {
    const { output, exited } = run(options);
    expect((await exited)[0]).toBe(1);
    expect(output.stderr.trim().split('\n')).toHaveLength(1);
    expect(output.stderr).not.toMatch(/SECRET|\n\s+at /);
    expect(output.stdout).toBe('');
  });
});
