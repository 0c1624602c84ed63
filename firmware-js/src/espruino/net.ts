/** Sockets of boards with a network, through Espruino's `net` and `tls` modules. */
import type { ByteSocket } from '../mqtt.ts';
import type { NetModule } from './board.ts';

export interface BrokerOptions {
  host: string;
  port: number;
  /** Authority, certificate and key for `tls`, in Espruino's names; plain TCP when left out. */
  tls?: { ca?: string; cert?: string; key?: string };
}

/** Opens a connection; what is written before it stands is sent when it does. */
export function openSocket(broker: BrokerOptions): ByteSocket {
  const tls = broker.tls;
  const options =
    tls === undefined
      ? { host: broker.host, port: broker.port }
      : { host: broker.host, port: broker.port, ca: tls.ca, cert: tls.cert, key: tls.key };
  let ready = false;
  let waiting = '';
  const module = boardRequire(tls === undefined ? 'net' : 'tls') as NetModule;
  const socket = module.connect(options, () => {
    ready = true;
    socket.write(waiting);
    waiting = '';
  });
  const adapter: ByteSocket = {
    write: (bytes) => {
      // Espruino's strings hold bytes.
      const text = E.toString(bytes);
      if (ready) {
        socket.write(text);
      } else {
        waiting += text;
      }
    },
    close: () => {
      socket.end();
    },
    onData: () => {},
    onClose: () => {},
  };
  socket.on('data', (text) => {
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) {
      bytes[i] = text.charCodeAt(i);
    }
    adapter.onData(bytes);
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    adapter.onClose();
  });
  return adapter;
}
