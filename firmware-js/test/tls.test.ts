// The X.509 library needs it before it loads.
import 'reflect-metadata';
import { KeyObject } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer } from 'node:tls';
import { describe, expect, test } from '@jest/globals';
import { SubjectAlternativeNameExtension, X509CertificateGenerator } from '@peculiar/x509';
import { openSocket } from '../src/node.ts';

/** A fresh certificate for localhost, as PEM. */
async function selfSigned() {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=localhost',
    keys,
    signingAlgorithm: algorithm,
    extensions: [new SubjectAlternativeNameExtension([{ type: 'dns', value: 'localhost' }])],
  });
  const key = KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' });
  return { certificate: certificate.toString('pem'), key };
}

describe('TLS', () => {
  test('carries bytes to a server with the right certificate only', async () => {
    const { certificate, key } = await selfSigned();
    let inbound = Buffer.alloc(0);
    const server = createServer({ cert: certificate, key }, (socket) => {
      socket.on('error', () => {});
      socket.on('data', (bytes: Buffer) => {
        inbound = Buffer.concat([inbound, bytes]);
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;

    const stranger = openSocket({ host: '127.0.0.1', port, tls: { servername: 'localhost' } });
    await new Promise<void>((resolve) => {
      stranger.onClose = resolve;
      stranger.write(Uint8Array.from([9]));
    });
    expect(inbound).toHaveLength(0);

    const tls = { ca: certificate, servername: 'localhost' };
    const socket = openSocket({ host: '127.0.0.1', port, tls });
    const message = Uint8Array.from([1, 2, 3]);
    socket.write(message);
    message.fill(0);
    while (inbound.length < 3) {
      await sleep(5);
    }
    expect([...inbound]).toEqual([1, 2, 3]);
    socket.close();
    server.close();
    await once(server, 'close');
  });
});
