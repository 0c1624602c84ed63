/** Boards behind a TCP port: an app on a phone that passes Bluetooth packets on, or a test. */
import { createServer, type AddressInfo } from 'node:net';
import { MozaikError } from '@mozaik/protocol';
import { streamLink } from './framing.ts';
import { LINKS_MAX } from './gateway.ts';
import type { AcceptLink, LinkSource } from './link.ts';

/** @throws MozaikError UNAVAILABLE when it cannot listen there */
export async function listenTcp(
  host: string,
  port: number,
  accept: AcceptLink,
): Promise<LinkSource & { port: number }> {
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    accept(streamLink(`tcp ${socket.remoteAddress}:${socket.remotePort}`, socket));
  });
  server.maxConnections = LINKS_MAX;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      reject(new MozaikError('UNAVAILABLE', `cannot listen on ${host}:${port}`, { cause }));
    });
    server.listen(port, host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
