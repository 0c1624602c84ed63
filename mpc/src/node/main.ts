/**
 * Process entry of a party: configuration as JSON in the environment variable MOZAIK_PARTY, one JSON
 * line on standard output for each event. The signed descriptor, for users to pin, is in its folder.
 */
import path from 'node:path';
import { MozaikError, toHex } from '@mozaik/protocol';
import { DESCRIPTOR_FILE } from './descriptor.ts';
import { Party, type PartyConfig, type PartyEvent } from './party.ts';

const print = (event: PartyEvent | { event: 'ready'; id: string; descriptor: string }) =>
  process.stdout.write(`${JSON.stringify(event)}\n`);

try {
  const config = JSON.parse(process.env.MOZAIK_PARTY ?? '{}') as PartyConfig;
  const party = await Party.open({ ...config, log: print });
  const stop = () => void party.close().then(() => process.exit(0));
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  // Started by another process, a party ends with it.
  process.once('disconnect', stop);
  await party.start();
  print({
    event: 'ready',
    id: toHex(party.id),
    descriptor: path.join(config.dataDir, DESCRIPTOR_FILE),
  });
} catch (error) {
  const text = error instanceof MozaikError ? `${error.code}: ${error.message}` : 'INTERNAL';
  process.stderr.write(`${text}\n`);
  process.exitCode = 1;
}
