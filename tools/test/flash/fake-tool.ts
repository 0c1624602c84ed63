/**
 * A program on the PATH that does nothing but say how it was called, to this process, and then what
 * it is told to.
 */
import { chmodSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import path from 'node:path';

export interface Call {
  tool: string;
  pid: number;
  args: string[];
  env: Record<string, string>;
  cwd: string;
  /** Contents of the arguments that name files, `/dev/stdin` too, as latin1, and their modes. */
  files: Record<string, { text: string; mode: number }>;
  /** The files in its working directory. */
  here: Record<string, { text: string; mode: number }>;
  hereMode: number;
}

export interface Reply {
  output?: string;
  code?: number;
  /** It ignores SIGTERM and goes on for ever. */
  hang?: boolean;
}

const SCRIPT = (port: number) => `#!${process.execPath}
const fs = require('fs'), net = require('net'), path = require('path');
const read = (file) => ({ text: fs.readFileSync(file, 'latin1'), mode: file === '/dev/stdin' ? 0 : fs.statSync(file).mode & 0o777 });
const args = process.argv.slice(2);
const files = {};
for (const arg of args) {
  const file = arg.replace(/^[^/]*:/, '');
  if (file === '/dev/stdin' || (file.startsWith('/') && fs.existsSync(file) && fs.statSync(file).isFile())) files[file] = read(file);
}
const here = {};
const own = path.basename(process.cwd()).startsWith('mozaik-flash-');
if (own) for (const name of fs.readdirSync('.')) here[name] = read(name);
const call = { tool: path.basename(process.argv[1]), pid: process.pid, args, env: process.env, cwd: process.cwd(), files, here, hereMode: fs.statSync('.').mode & 0o777 };
const socket = net.connect(${port}, '127.0.0.1', () => socket.write(JSON.stringify(call) + '\\n'));
let text = '';
socket.on('data', (data) => (text += data));
socket.on('end', () => {
  const reply = JSON.parse(text);
  process.stdout.write(reply.output ?? '');
  if (reply.hang) { process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); }
  else process.exitCode = reply.code ?? 0;
});
`;

/** Serves the fake programs in `folder`. */
export async function startFakeTools(
  folder: string,
  names: string[],
  answer: (call: Call) => Reply | Promise<Reply>,
): Promise<{ calls: Call[]; close: () => Promise<void> }> {
  const calls: Call[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let text = '';
    socket.on('error', () => undefined);
    socket.on('data', (data) => {
      text += data.toString();
      if (!text.endsWith('\n')) return;
      const call = JSON.parse(text) as Call;
      calls.push(call);
      void Promise.resolve(answer(call)).then((reply) => socket.end(JSON.stringify(reply)));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  for (const name of names) {
    const file = path.join(folder, name);
    writeFileSync(file, SCRIPT((server.address() as AddressInfo).port));
    chmodSync(file, 0o755);
  }
  return {
    calls,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
