/**
 * Process entry of a party: configuration as JSON in the environment variable MOZAIK_PARTY, one JSON
 * line on standard output for each event. Writes the signed descriptor to `descriptor.cbor` in its
 * folder, for users to pin.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { MozaikError, toHex } from '@mozaik/protocol';
import { Party, type PartyConfig, type PartyEvent } from './party.ts';

const print = (event: PartyEvent | { event: 'ready'; id: string; descriptor: string }) =>
  process.stdout.write(`${JSON.stringify(event)}\n`);

try {
  const config = JSON.parse(process.env.MOZAIK_PARTY ?? '{}') as PartyConfig;
  const party = await Party.open({ ...config, log: print });
  const file = path.join(config.dataDir, 'descriptor.cbor');
  writeFileSync(file, party.descriptor);
  await party.start();
  print({ event: 'ready', id: toHex(party.id), descriptor: file });
  const stop = () => void party.close().then(() => process.exit(0));
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
} catch (error) {
  const text = error instanceof MozaikError ? `${error.code}: ${error.message}` : 'INTERNAL';
  process.stderr.write(`${text}\n`);
  process.exitCode = 1;
}
