import { appendFileSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { Revocations } from '@mozaik/client/revocations';
import { MozaikError, toHex } from '@mozaik/protocol';
import { loadPartyKeys } from '../../src/node/state.ts';
import { createTlsIdentity } from '../../src/node/tls-identity.ts';
import { temporaryFolder } from './outcomes.ts';

const otherTls = await createTlsIdentity();
const modeOf = (file: string) => statSync(file).mode & 0o777;
const filled = (value: number) => new Uint8Array(32).fill(value);

describe('the keys of a party', () => {
  test('are made once, for their owner alone', async () => {
    const folder = path.join(temporaryFolder(), 'deep', 'party');
    const umask = process.umask(0);
    try {
      const first = await loadPartyKeys(folder);
      expect(modeOf(folder)).toBe(0o700);
      expect(modeOf(path.join(folder, 'party-keys.json'))).toBe(0o600);
      const again = await loadPartyKeys(folder);
      expect(again.identity.id).toEqual(first.identity.id);
      expect(again.seal.publicKey).toEqual(first.seal.publicKey);
      expect(again.tlsFingerprint).toEqual(first.tlsFingerprint);
      const other = await loadPartyKeys(temporaryFolder());
      expect(other.identity.id).not.toEqual(first.identity.id);
      expect(other.tlsFingerprint).not.toEqual(first.tlsFingerprint);
    } finally {
      process.umask(umask);
    }
  });

  test('do not show when printed', async () => {
    const folder = temporaryFolder();
    const { identity, seal } = await loadPartyKeys(folder);
    // A secret key of ML-DSA begins with 32 bytes of the public one (FIPS 204, algorithms 22 and 24).
    const secrets = [
      { secret: identity.secretKey, at: 32 },
      { secret: seal.secretKey, at: 0 },
    ];
    const shown = inspect({ identity, seal }, { depth: 9 }) + JSON.stringify({ identity, seal });
    for (const { secret, at } of secrets) {
      const bytes = secret.expose().subarray(at, at + 8);
      expect(shown).not.toContain(toHex(bytes));
      expect(shown).not.toContain(bytes.join(', '));
      expect(shown).not.toContain(bytes.join(','));
      // Numbers of a printed array are padded.
      expect(shown.replaceAll(/\s/g, '')).not.toContain(bytes.join(','));
    }
  });

  interface Stored extends Record<string, unknown> {
    identitySeed: string;
    sealSeed: string;
    tls: { key: string; certificate: string };
  }
  const damages: [string, (text: string, stored: Stored) => string | object][] = [
    ['empty', () => ''],
    ['cut short', (text) => text.slice(0, text.length / 2)],
    ['not JSON', (text) => text.replace('{', '(')],
    ['null', () => 'null'],
    ['another format', (_, stored) => ({ ...stored, format: 'something' })],
    ['another version', (_, stored) => ({ ...stored, version: 2 })],
    ['a short identity seed', (_, stored) => ({ ...stored, identitySeed: 'ab' })],
    ['a seed that is not hexadecimal', (_, stored) => ({ ...stored, sealSeed: 'z'.repeat(64) })],
    ['a missing seed', (_, stored) => ({ ...stored, sealSeed: undefined })],
    ['no TLS key', (_, stored) => ({ ...stored, tls: undefined })],
    [
      'a damaged TLS key',
      (_, stored) => ({
        ...stored,
        tls: { ...stored.tls, key: stored.tls.key.replace(/.{20}\n-----END/, 'AAAA\n-----END') },
      }),
    ],
    [
      'a damaged certificate',
      (_, stored) => ({
        ...stored,
        tls: { ...stored.tls, certificate: stored.tls.certificate.slice(0, 200) },
      }),
    ],
    [
      'a TLS key that is not of the certificate',
      (_, stored) => ({ ...stored, tls: { ...stored.tls, key: otherTls.key } }),
    ],
  ];
  test.each(damages)('%s is STATE_CORRUPT, without a word of it', async (_, damage) => {
    const folder = temporaryFolder();
    await loadPartyKeys(folder);
    const file = path.join(folder, 'party-keys.json');
    const text = readFileSync(file, 'utf8');
    const stored = JSON.parse(text) as Stored;
    const damaged = damage(text, stored);
    const written = typeof damaged === 'string' ? damaged : JSON.stringify(damaged);
    writeFileSync(file, written);
    const error: unknown = await loadPartyKeys(folder).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(MozaikError);
    expect((error as MozaikError).code).toBe('STATE_CORRUPT');
    const said = inspect(error, { depth: 9 }) + String((error as Error).stack);
    for (const secret of [stored.identitySeed, stored.sealSeed, ...stored.tls.key.split('\n')]) {
      if (secret !== '' && !secret.startsWith('---'))
        expect(said).not.toContain(secret.slice(0, 8));
    }
    // What could be rescued by hand is still there.
    expect(readFileSync(file, 'utf8')).toBe(written);
  });
});

describe('revocations', () => {
  test('survive a restart, each for its own user', async () => {
    const folder = temporaryFolder();
    const first = await Revocations.open(folder);
    await first.add(filled(1), filled(2));
    await first.add(filled(3), filled(4));
    await first.add(filled(1), filled(2));
    for (const seen of [first, await Revocations.open(folder)]) {
      expect(seen.has(filled(1), filled(2))).toBe(true);
      expect(seen.has(filled(3), filled(4))).toBe(true);
      expect(seen.has(filled(1), filled(4))).toBe(false);
      expect(seen.has(filled(2), filled(1))).toBe(false);
    }
    const file = path.join(folder, 'revocations.log');
    expect(readFileSync(file, 'utf8').trim().split('\n')).toHaveLength(2);
    expect(modeOf(file) & 0o077).toBe(0);
  });

  test('a line that a crash cut short is ignored, and what follows is kept', async () => {
    const folder = temporaryFolder();
    const file = path.join(folder, 'revocations.log');
    await (await Revocations.open(folder)).add(filled(1), filled(2));
    const whole = readFileSync(file);
    for (let cut = 1; cut < whole.length; cut++) {
      writeFileSync(file, whole.subarray(0, cut));
      await (await Revocations.open(folder)).add(filled(5), filled(6));
      const restarted = await Revocations.open(folder);
      expect(restarted.has(filled(5), filled(6))).toBe(true);
      await restarted.add(filled(7), filled(8));
      expect((await Revocations.open(folder)).has(filled(7), filled(8))).toBe(true);
    }
  });

  test('garbage between revocations is ignored', async () => {
    const folder = temporaryFolder();
    await (await Revocations.open(folder)).add(filled(1), filled(2));
    appendFileSync(path.join(folder, 'revocations.log'), '\n\nnonsense\n');
    await (await Revocations.open(folder)).add(filled(3), filled(4));
    const seen = await Revocations.open(folder);
    expect(seen.has(filled(1), filled(2)) && seen.has(filled(3), filled(4))).toBe(true);
  });
});
