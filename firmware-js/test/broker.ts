import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { Aedes } from 'aedes';
import type { AedesOptions } from 'aedes';

export interface Listening {
  port: number;
  close: () => Promise<void>;
}

async function listen(server: Server): Promise<Listening> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => sockets.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      sockets.forEach((socket) => socket.destroy());
      server.close();
      await once(server, 'close');
    },
  };
}

export interface Received {
  topic: string;
  payload: Uint8Array;
}

/** A real broker on a TCP port that keeps what clients publish, also more than once. */
export async function startBroker(options: AedesOptions) {
  const broker = await Aedes.createBroker(options);
  const received: Received[] = [];
  broker.on('publish', ({ topic, payload }, client) => {
    if (client !== null) {
      received.push({ topic, payload: Uint8Array.from(payload as Buffer) });
    }
  });
  const server = await listen(createServer((socket) => broker.handle(socket)));
  return {
    port: server.port,
    received,
    close: async () => {
      await new Promise<void>((resolve) => {
        broker.close(resolve);
      });
      await server.close();
    },
  };
}

/**
 * A link to `port` that forwards bytes in arbitrary pieces, and that breaks with the given chance
 * per piece: before, in the middle of, or after it.
 */
export async function startFlakyLink(port: number, random: () => number, chance: number) {
  let cuts = 0;
  const server = await listen(
    createServer((device) => {
      const broker = connect({ host: '127.0.0.1', port });
      const forward = (from: Socket, to: Socket) => {
        from.on('error', () => {});
        from.on('close', () => to.destroy());
        from.on('data', (bytes) => {
          const split = Math.floor(random() * (bytes.length + 1));
          to.write(bytes.subarray(0, split));
          if (random() < chance) {
            cuts++;
            to.end(() => from.destroy());
          } else {
            to.write(bytes.subarray(split));
          }
        });
      };
      forward(device, broker);
      forward(broker, device);
    }),
  );
  return { ...server, cuts: () => cuts };
}
