import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createSealKeys, PARTY, sign, toHex, verifyParty } from '@mozaik/protocol';
import { pinFile, pinsInFolder, type Api } from '../src/index.ts';
import { codeOf, describeParty, filled, parties, provider } from './fixtures.ts';

const [party, other] = parties;
const { id } = party.identity;
/** The same party with another seal key, issued later or earlier. */
const newKeys = { identity: party.identity, sealKeys: createSealKeys(filled(32, 99)) };
const newer = describeParty(newKeys, { issued: 1_800_000_000_000 });
const older = describeParty(newKeys, { issued: 1_600_000_000_000 });
const { hash } = verifyParty(party.signed);

let root: string;
let folder: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'mozaik-pins-'));
  folder = join(root, 'me');
});
afterEach(() => rm(root, { recursive: true }));

/** A backend that answers with this descriptor, whatever it is asked for. */
const answering = (signed: Uint8Array) =>
  ({ party: () => Promise.resolve(signed) }) as unknown as Api;

describe('pins', () => {
  test('a pin is kept, also for the next process', async () => {
    await pinsInFolder(folder).pin(party.signed);
    const pin = await pinsInFolder(folder).get(id);
    expect(pin.hash).toStrictEqual(hash);
    expect(pin.value.sealKey).toStrictEqual(party.sealKeys.publicKey);
    const mode = (await stat(join(folder, 'pins', `${toHex(id)}.cbor`))).mode;
    expect(mode & 0o777).toBe(0o600);
  });

  test('all pins are listed', async () => {
    const pins = pinsInFolder(folder);
    expect(await pins.list()).toStrictEqual([]);
    for (const { signed } of parties) await pins.pin(signed);
    const ids = (await pins.list()).map(({ value }) => toHex(value.party)).sort();
    expect(ids).toStrictEqual(parties.map(({ identity }) => toHex(identity.id)).sort());
  });

  test('what was never pinned is not there', async () => {
    expect(await codeOf(() => pinsInFolder(folder).get(id))).toBe('PARTY_NOT_PINNED');
  });

  test('the same descriptor again changes nothing; another one is refused', async () => {
    const pins = pinsInFolder(folder);
    await pins.pin(party.signed);
    await pins.pin(party.signed);
    for (const signed of [newer, older]) {
      expect(await codeOf(() => pins.pin(signed))).toBe('PARTY_NOT_PINNED');
      expect(await codeOf(() => pins.pinOnFirstUse(answering(signed), id))).toBe(
        'PARTY_NOT_PINNED',
      );
    }
    expect((await pins.get(id)).hash).toStrictEqual(hash);
  });

  test('of two different first uses at the same time only one wins', async () => {
    const pins = pinsInFolder(folder);
    const results = await Promise.allSettled([pins.pin(party.signed), pins.pin(newer)]);
    expect(results.map(({ status }) => status).sort()).toStrictEqual(['fulfilled', 'rejected']);
  });

  test('first use takes the word of the backend for this party only', async () => {
    const pins = pinsInFolder(folder);
    const swapped = () => pins.pinOnFirstUse(answering(other.signed), id);
    expect(await codeOf(swapped)).toBe('PARTY_NOT_PINNED');
    expect(await pins.list()).toStrictEqual([]);
    await pins.pinOnFirstUse(answering(party.signed), id);
    expect((await pins.get(id)).hash).toStrictEqual(hash);
  });

  test('a descriptor that the party did not sign is never pinned', async () => {
    const pins = pinsInFolder(folder);
    const { value } = verifyParty(party.signed);
    const forged = sign(PARTY, { ...value, sealKey: newKeys.sealKeys.publicKey }, provider);
    const altered = Uint8Array.from(party.signed);
    altered[altered.length - 5] ^= 1;
    expect(await codeOf(() => pins.pin(forged))).toBe('SIGNATURE_INVALID');
    expect(await codeOf(() => pins.pin(altered))).toBe('SIGNATURE_INVALID');
    expect(await codeOf(() => pins.pin(party.signed.subarray(1)))).toBe('ENCODING_INVALID');
    expect(await pins.list()).toStrictEqual([]);
  });

  test('a pin changes when the user names what it replaces', async () => {
    const pins = pinsInFolder(folder);
    expect(await codeOf(() => pins.change(newer, hash))).toBe('PARTY_NOT_PINNED');
    await pins.pin(party.signed);
    expect(await codeOf(() => pins.change(newer, filled(32, 0)))).toBe('PARTY_NOT_PINNED');
    expect(await codeOf(() => pins.change(older, hash))).toBe('PARTY_NOT_PINNED');
    await pins.change(newer, hash);
    expect((await pins.get(id)).value.sealKey).toStrictEqual(newKeys.sealKeys.publicKey);
  });

  test('a pin whose file was altered or swapped is damage, not another pin', async () => {
    const pins = pinsInFolder(folder);
    await pins.pin(party.signed);
    const path = join(folder, 'pins', `${toHex(id)}.cbor`);
    for (const data of [other.signed, party.signed.subarray(1), new Uint8Array()]) {
      await writeFile(path, data);
      expect(await codeOf(() => pins.get(id))).toBe('STATE_CORRUPT');
    }
  });

  test('a party can be pinned from a file', async () => {
    const path = join(root, 'party.cbor');
    const pins = pinsInFolder(folder);
    expect(await codeOf(() => pinFile(pins, path))).toBe('INPUT_FILE');
    await writeFile(path, party.signed);
    expect((await pinFile(pins, path)).hash).toStrictEqual(hash);
  });
});
