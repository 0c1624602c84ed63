/**
 * The party's TLS key: ECDSA P-256 with a self-signed certificate. Peers ignore everything in the
 * certificate but the key, whose fingerprint the user pins with the party's descriptor.
 */
import { createHash, webcrypto, type X509Certificate } from 'node:crypto';
import 'reflect-metadata';
import { X509CertificateGenerator } from '@peculiar/x509';

export interface TlsIdentity {
  /** PKCS #8, PEM. Secret. */
  key: string;
  /** Self-signed certificate, PEM. */
  certificate: string;
}

/** The certificate's dates mean nothing here: the pinned descriptor decides what is accepted. */
const NOT_AFTER = new Date(Date.UTC(9999, 11, 31));
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

export async function createTlsIdentity(): Promise<TlsIdentity> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned(
    { name: 'CN=mozaik-party', keys, signingAlgorithm: ALGORITHM, notAfter: NOT_AFTER },
    webcrypto as Crypto,
  );
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  const body = pkcs8.toString('base64').replace(/.{64}/g, '$&\n').trimEnd();
  pkcs8.fill(0);
  return {
    key: `-----BEGIN PRIVATE KEY-----\n${body}\n-----END PRIVATE KEY-----\n`,
    certificate: certificate.toString('pem'),
  };
}

/** SHA-256 of the certificate's SubjectPublicKeyInfo in DER: 32 bytes. */
export function tlsFingerprint(certificate: X509Certificate): Uint8Array {
  const spki = certificate.publicKey.export({ type: 'spki', format: 'der' });
  return new Uint8Array(createHash('sha256').update(spki).digest());
}
