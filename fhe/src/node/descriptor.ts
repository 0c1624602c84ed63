/**
 * The server's own descriptor, kept in its folder so that a restart publishes the same one and the
 * users' pins stay valid.
 */
import path from 'node:path';
import { readPrivate, replacePrivate } from '@mozaik/client';
import {
  encodeCanonical,
  equalBytes,
  MozaikError,
  objectHash,
  SERVER,
  sign,
  verifyServer,
  type ServerDescriptor,
  type Verified,
} from '@mozaik/protocol';
import type { ServerKeys } from './state.ts';

/** Name of the file, which a server gives to users to pin. */
export const DESCRIPTOR_FILE = 'descriptor.cbor';

export interface OwnDescriptor {
  signed: Uint8Array;
  hash: Uint8Array;
}

/** The stored descriptor when it still holds, else a new one issued now, stored. */
export async function serverDescriptor(
  folder: string,
  { identity, seal }: ServerKeys,
  name: string,
  now: () => number,
): Promise<OwnDescriptor> {
  const file = path.join(folder, DESCRIPTOR_FILE);
  const current: ServerDescriptor = {
    v: 1,
    party: identity.id,
    signingKey: identity.publicKey,
    name,
    sealKey: seal.publicKey,
    issued: now(),
  };
  const stored = await readPrivate(file);
  const held = stored && verifyStored(stored);
  if (stored && held && saysTheSame(held.value, current)) {
    return { signed: stored, hash: held.hash };
  }
  const signed = sign(SERVER, current, identity);
  await replacePrivate(file, signed);
  return { signed, hash: objectHash(SERVER, current) };
}

function verifyStored(signed: Uint8Array): Verified<ServerDescriptor> | undefined {
  try {
    return verifyServer(signed);
  } catch (error) {
    // A damaged file is replaced: nothing in it is secret, and nothing is lost but its date.
    if (error instanceof MozaikError) return undefined;
    throw error;
  }
}

/** Whether two descriptors say the same but for their date. */
function saysTheSame(stored: ServerDescriptor, current: ServerDescriptor): boolean {
  const undated = (descriptor: ServerDescriptor) => encodeCanonical({ ...descriptor, issued: 0 });
  return equalBytes(undated(stored), undated(current));
}
