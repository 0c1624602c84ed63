/**
 * The party's own descriptor, kept in its folder so that a restart at the same address publishes the
 * same one and the users' pins stay valid.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import {
  encodeCanonical,
  equalBytes,
  MozaikError,
  objectHash,
  PARTY,
  sign,
  verifyParty,
  type PartyDescriptor,
} from '@mozaik/protocol';
import type { PartyKeys } from './state.ts';

/** Name of the file, which a party gives to users to pin. */
export const DESCRIPTOR_FILE = 'descriptor.cbor';

export interface OwnDescriptor {
  signed: Uint8Array;
  hash: Uint8Array;
}

/** The stored descriptor when it still holds, else a new one issued now, stored. */
export function partyDescriptor(
  folder: string,
  { identity, seal, tlsFingerprint }: PartyKeys,
  address: { name: string; host: string; port: number },
  now: () => number,
): OwnDescriptor {
  const file = path.join(folder, DESCRIPTOR_FILE);
  const current: PartyDescriptor = {
    v: 1,
    party: identity.id,
    signingKey: identity.publicKey,
    ...address,
    sealKey: seal.publicKey,
    tlsFingerprint,
    issued: now(),
  };
  const stored = readStored(file);
  if (stored && holds(stored.value, current)) return stored;
  const signed = sign(PARTY, current, identity);
  writeFileSync(`${file}.new`, signed, { flush: true });
  renameSync(`${file}.new`, file);
  return { signed, hash: objectHash(PARTY, current) };
}

function readStored(file: string): (OwnDescriptor & { value: PartyDescriptor }) | undefined {
  if (!existsSync(file)) return undefined;
  const signed = new Uint8Array(readFileSync(file));
  try {
    const { value, hash } = verifyParty(signed);
    return { signed, hash, value };
  } catch (error) {
    // A damaged file is replaced: nothing in it is secret, and nothing is lost but its date.
    if (error instanceof MozaikError) return undefined;
    throw error;
  }
}

/** Whether two descriptors say the same but for their date. */
function holds(stored: PartyDescriptor, current: PartyDescriptor): boolean {
  const undated = (descriptor: PartyDescriptor) => encodeCanonical({ ...descriptor, issued: 0 });
  return equalBytes(undated(stored), undated(current));
}
