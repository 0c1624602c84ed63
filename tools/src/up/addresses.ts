/** Where a local stack is to be reached. */
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { MozaikError } from '@mozaik/protocol';
import { stackSettings, type StackSettings } from '../stack/settings.ts';

const HOST = '127.0.0.1';

export interface StackAddresses {
  audience: string;
  httpUrl: string;
  mqttUrl: string;
}

/**
 * Addresses of the stack whose state `folder` keeps, whether it runs or not; undefined when there has
 * never been one.
 * @throws MozaikError STATE_CORRUPT
 */
export async function stackAddresses(folder: string): Promise<StackAddresses | undefined> {
  if (!existsSync(path.join(folder, 'stack.json'))) return undefined;
  const { audience, httpPort, mqttPort } = await stackSettings(folder);
  return {
    audience,
    httpUrl: `http://${HOST}:${httpPort}`,
    mqttUrl: `mqtt://${HOST}:${mqttPort}`,
  };
}

/**
 * Makes sure that the stack can listen where it always does: its ports stay what they were, as they
 * are part of what users have pinned.
 * @throws MozaikError UNAVAILABLE naming the port that another program uses
 */
export async function checkPorts({ httpPort, mqttPort, partyPorts }: StackSettings): Promise<void> {
  for (const port of [httpPort, mqttPort, ...partyPorts]) {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) => {
        const detail = `port ${port}, which this stack uses, is taken by another program`;
        reject(new MozaikError('UNAVAILABLE', detail, { cause }));
      });
      server.listen(port, HOST, () => server.close(() => resolve()));
    });
  }
}
