/**
 * Process entry of a server: configuration as JSON in the environment variable MOZAIK_FHE, one JSON
 * line on standard output for each event. The signed descriptor, for users to pin, is in its folder.
 */
import path from 'node:path';
import { MozaikError, toHex } from '@mozaik/protocol';
import { DESCRIPTOR_FILE } from './descriptor.ts';
import { Server, type ServerConfig, type ServerEvent } from './server.ts';

const print = (event: ServerEvent | { event: 'ready'; id: string; descriptor: string }) =>
  process.stdout.write(`${JSON.stringify(event)}\n`);

try {
  const config = JSON.parse(process.env.MOZAIK_FHE ?? '{}') as ServerConfig;
  const server = await Server.open({ ...config, log: print });
  const stop = () => void server.close().then(() => process.exit(0));
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  // Started by another process, a server ends with it.
  process.once('disconnect', stop);
  await server.start();
  print({
    event: 'ready',
    id: toHex(server.id),
    descriptor: path.join(config.dataDir, DESCRIPTOR_FILE),
  });
} catch (error) {
  const text = error instanceof MozaikError ? `${error.code}: ${error.message}` : 'INTERNAL';
  process.stderr.write(`${text}\n`);
  process.exitCode = 1;
}
