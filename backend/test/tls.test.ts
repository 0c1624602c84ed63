/** The same interface over TLS. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { get } from 'node:https';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { connect, start, temporaryFolder } from './support.ts';

function makeCertificate(): { key: string; cert: string } | undefined {
  const folder = temporaryFolder();
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const algorithm = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const { status } = spawnSync('openssl', [
    ...['req', '-x509', '-days', '2', '-keyout', key, '-out', cert],
    ...algorithm,
    ...subject,
  ]);
  if (status !== 0) return undefined;
  return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
}

const tls = makeCertificate();
if (tls === undefined) console.warn('skipped: the openssl command is missing');

(tls ? test : test.skip)('HTTP and MQTT are served over TLS, and only so', async () => {
  const backend = await start({ tls: tls! });
  expect(backend.httpUrl).toMatch(/^https:/);
  const status = await new Promise((resolve, reject) => {
    get(`${backend.httpUrl}/healthz`, { ca: tls!.cert }, ({ statusCode }) =>
      resolve(statusCode),
    ).on('error', reject);
  });
  expect(status).toBe(200);
  await expect(fetch(backend.httpUrl.replace('https', 'http'))).rejects.toThrow();
  expect(backend.mqttUrl).toMatch(/^mqtts:/);
  // The broker answers, and refuses a wrong token: the TLS connection itself works.
  await expect(connect(backend, 'x', { ca: tls!.cert })).rejects.toMatchObject({ code: 4 });
});
