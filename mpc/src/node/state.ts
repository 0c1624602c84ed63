/**
 * What a party keeps on disk beside the revocations that it has seen: its identity, sealing key and TLS
 * key, in one file of mode 0600. Key shares, samples and results never touch the disk.
 */
import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import {
  createIdentity,
  createSealKeys,
  fromHex,
  IDENTITY_SEED_BYTES,
  MozaikError,
  SEAL_SEED_BYTES,
  toHex,
  type Identity,
  type SealKeys,
} from '@mozaik/protocol';
import { createTlsIdentity, tlsFingerprint, type TlsIdentity } from './tls-identity.ts';

const KEYS_FILE = 'party-keys.json';

interface KeysFile {
  format: 'mozaik-party-keys';
  version: 1;
  identitySeed: string;
  sealSeed: string;
  tls: TlsIdentity;
}

export interface PartyKeys {
  identity: Identity;
  seal: SealKeys;
  tls: TlsIdentity;
  tlsFingerprint: Uint8Array;
}

/**
 * Loads the party's keys from `folder`, or makes them on first use.
 * @throws MozaikError STATE_CORRUPT
 */
export async function loadPartyKeys(folder: string): Promise<PartyKeys> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = path.join(folder, KEYS_FILE);
  if (!existsSync(file)) {
    const fresh: KeysFile = {
      format: 'mozaik-party-keys',
      version: 1,
      identitySeed: toHex(randomBytes(IDENTITY_SEED_BYTES)),
      sealSeed: toHex(randomBytes(SEAL_SEED_BYTES)),
      tls: await createTlsIdentity(),
    };
    const temporary = `${file}.new`;
    writeFileSync(temporary, JSON.stringify(fresh), { mode: 0o600, flush: true });
    renameSync(temporary, file);
  }
  try {
    const stored = JSON.parse(readFileSync(file, 'utf8')) as KeysFile;
    if (stored.format !== 'mozaik-party-keys' || stored.version !== 1) throw new TypeError();
    const certificate = new X509Certificate(stored.tls.certificate);
    if (!certificate.checkPrivateKey(createPrivateKey(stored.tls.key))) throw new TypeError();
    return {
      identity: createIdentity(fromHex(stored.identitySeed, IDENTITY_SEED_BYTES)),
      seal: createSealKeys(fromHex(stored.sealSeed, SEAL_SEED_BYTES)),
      tls: stored.tls,
      tlsFingerprint: tlsFingerprint(certificate),
    };
  } catch {
    // The cause may quote the file: it is not passed on.
    throw new MozaikError('STATE_CORRUPT', file);
  }
}
