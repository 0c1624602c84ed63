/** The console of an Espruino board of memory, at a TCP port: enough of it for Espruino's own tool. */
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { FakeBoard } from '../../../firmware-js/test/fake-board.ts';

const CTRL_C = '\x03';
const ECHO_OFF = '\x10';
/** The number of the line that follows, for a debugger. */
// eslint-disable-next-line no-control-regex
const LINE_NUMBER = /\x1b\[\d+d/g;
/** A line break within a statement. */
const CONTINUED = '\x1b\n';

export interface FakeConsole {
  port: number;
  board: FakeBoard;
  /** How often the board was asked to start again. */
  loads: () => number;
  close: () => Promise<void>;
}

export async function startConsole(): Promise<FakeConsole> {
  const board = new FakeBoard();
  let loads = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    let pending = '';
    const print = (...values: unknown[]) => socket.write(`${values.map(String).join(' ')}\r\n`);
    const load = () => loads++;
    const Storage = {
      write: board.storage.writeText.bind(board.storage),
      read: board.storage.read.bind(board.storage),
    };
    const globals = {
      print,
      ...{ console: { log: print }, echo: () => undefined, reset: () => undefined, load },
      process: { env: { BOARD: 'PUCKJS', VERSION: '2v29', MODULES: 'Storage' } },
      setTimeout: (callback: () => void, ms: number) => setTimeout(callback, ms),
    };
    board.modules.set('Storage', { ...Storage, readArrayBuffer: undefined });
    const execute = (line: string) => {
      try {
        board.run(line, globals);
      } catch (error) {
        print(`Uncaught ${String(error)}`);
      }
    };
    socket.on('data', (data) => {
      pending += data.toString('latin1').replaceAll(CONTINUED, ' ');
      if (pending.includes(CTRL_C)) pending = pending.slice(pending.lastIndexOf(CTRL_C) + 1);
      const lines = pending.split('\n');
      pending = lines.pop()!;
      for (const line of lines) execute(line.replaceAll(ECHO_OFF, '').replace(LINE_NUMBER, ''));
      socket.write('\r\n>');
    });
    socket.write('\r\n>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    board,
    loads: () => loads,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
