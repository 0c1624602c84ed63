/** The key that signs this backend's tokens, in a file that only its owner can read. */
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, importJWK, type CryptoKey, type JWK } from 'jose';
import { MozaikError } from '@mozaik/protocol';

/** Ed25519 (RFC 8037): the only algorithm that this backend's own tokens may name. */
export const ISSUER_ALGORITHM = 'EdDSA';
const FILE = 'issuer-key.json';

export interface IssuerKey {
  privateKey: CryptoKey;
  publicKey: CryptoKey;
}

/**
 * Reads the key from the data folder, or makes it at the first start.
 * @throws MozaikError STATE_CORRUPT
 */
export async function loadIssuerKey(folder: string): Promise<IssuerKey> {
  const path = join(folder, FILE);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    text = await createKeyFile(path);
  }
  try {
    const jwk = JSON.parse(text) as JWK;
    const { kty, crv, x } = jwk;
    return {
      privateKey: (await importJWK(jwk, ISSUER_ALGORITHM)) as CryptoKey,
      publicKey: (await importJWK({ kty, crv, x } as JWK, ISSUER_ALGORITHM)) as CryptoKey,
    };
  } catch {
    // No cause: a parser's message may quote the file.
    throw new MozaikError('STATE_CORRUPT', FILE);
  }
}

async function createKeyFile(path: string): Promise<string> {
  const { privateKey } = await generateKeyPair(ISSUER_ALGORITHM, { extractable: true });
  const text = JSON.stringify(await exportJWK(privateKey));
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  return text;
}
