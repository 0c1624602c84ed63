/** What a local stack remembers between starts: its ports and its name. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import {
  integer,
  list,
  MozaikError,
  oneOf,
  PARTY_COUNT,
  struct,
  text,
  type Infer,
} from '@mozaik/protocol';

const FILE = 'stack.json';
const port = integer(1, 65535);

const schema = struct({
  format: oneOf('mozaik-stack'),
  version: oneOf(1),
  audience: text(64),
  httpPort: port,
  mqttPort: port,
  partyPorts: list(port, PARTY_COUNT, PARTY_COUNT),
});

export type StackSettings = Infer<typeof schema>;

/** Ports that are free now. They stay fixed, so that pinned descriptors stay valid. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once('error', reject);
          server.listen(0, '127.0.0.1', () => {
            const address = server.address();
            resolve(typeof address === 'object' && address ? address.port : 0);
          });
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/**
 * Reads the settings of the stack in `folder`, or makes them at its first start.
 * @throws MozaikError STATE_CORRUPT
 */
export async function stackSettings(folder: string): Promise<StackSettings> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = path.join(folder, FILE);
  if (existsSync(file)) {
    try {
      return schema(JSON.parse(readFileSync(file, 'utf8')), FILE);
    } catch (cause) {
      throw new MozaikError('STATE_CORRUPT', file, { cause });
    }
  }
  const [httpPort, mqttPort, ...partyPorts] = await freePorts(2 + PARTY_COUNT);
  const settings: StackSettings = {
    format: 'mozaik-stack',
    version: 1,
    audience: 'mozaik-local',
    httpPort,
    mqttPort,
    partyPorts,
  };
  writeFileSync(`${file}.new`, `${JSON.stringify(settings, null, 2)}\n`, { flush: true });
  renameSync(`${file}.new`, file);
  return settings;
}
