/** A TCP proxy that keeps everything that passes. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface Recorder {
  port: number;
  /** What has passed, each direction of each connection in one piece. */
  recorded(): Buffer[];
  close(): void;
}

export async function openRecorder(targetPort: number): Promise<Recorder> {
  const streams: Buffer[][] = [];
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect({ host: '127.0.0.1', port: targetPort });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ]) {
      const stream: Buffer[] = [];
      streams.push(stream);
      sockets.add(from);
      from.on('data', (chunk: Buffer) => {
        stream.push(chunk);
        to.write(chunk);
      });
      from.on('error', () => undefined);
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    recorded: () => streams.map((stream) => Buffer.concat(stream)),
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
