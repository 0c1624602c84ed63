/** The path as a whole, with the real scheme: agent, backend and server, and what hostile users send. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { revokeConsent } from '@mozaik/client';
import {
  bodyHash,
  encodeFrame,
  ENCRYPTED_REQUEST,
  EVALUATION_KEYS,
  sign,
  type Layout,
} from '@mozaik/protocol';
import * as protocol from '@mozaik/protocol';
import * as scheme from '../../src/client.ts';
import * as fhe from '../../src/index.ts';
import { openWorld, until, type Person, type World } from './world.ts';

const SLOW = 180_000;

let world: World;
let alice: Person;
let consent: Uint8Array;

beforeAll(async () => {
  world = await openWorld();
  alice = await world.openUser('alice');
  consent = await alice.consent();
}, SLOW);

afterAll(() => world.close(), SLOW);

const keyFile = ({ id }: Person) => path.join(world.backendDir, 'ciphertexts', `keys-${id}`);
const backendFiles = () => readdirSync(path.join(world.backendDir, 'ciphertexts'));

function expectRight(
  person: Person,
  results: Map<number, { authentic: boolean; classIndex?: number }>,
): void {
  for (const [sequence, { authentic, classIndex }] of results) {
    if (!authentic) continue;
    expect([sequence, classIndex]).toEqual([
      sequence,
      world.classOf(person.windows.get(sequence)!),
    ]);
  }
}

describe('the agent', () => {
  test(
    'has its beats classified, single and in batches, and says which are altered',
    async () => {
      // More than the single layout takes wait for the agent.
      await alice.publish({ count: 20 });
      await until(
        async () => (await alice.api.pending(consent)).length === 20,
        () => 'the samples of alice',
      );
      await alice.startAgent();
      expectRight(alice, await alice.allResults(consent, 20));
      expect(alice.layouts).toEqual(['batch']);

      await alice.publish({ count: 2 });
      await alice.publish({ altered: true });
      const all = await alice.allResults(consent, 23);
      expectRight(alice, all);
      const altered = [...all].filter(([, { authentic }]) => !authentic);
      expect(altered.map(([sequence]) => sequence)).toEqual([22]);
      expect(new Set(alice.layouts.slice(1))).toEqual(new Set(['single']));
      expect(alice.errors).toEqual([]);
    },
    SLOW,
  );

  test(
    'sent its evaluation keys once, and keeps its secrets to itself',
    async () => {
      const before = statSync(keyFile(alice)).mtimeMs;
      await alice.publish();
      await alice.allResults(consent, 24);
      expect(statSync(keyFile(alice)).mtimeMs).toBe(before);

      const folder = path.join(alice.userDir, 'homomorphic');
      const files = readdirSync(folder);
      expect(files.map((name) => name.split('.')[1]).sort()).toEqual(['evaluation', 'secret']);
      for (const name of files) {
        expect(statSync(path.join(folder, name)).mode & 0o777).toBe(0o600);
      }
      const set = await alice.keyring.current();
      expect(inspect(set, { depth: 9 })).toContain('[secret]');
      expect(JSON.stringify(set.secrets)).toBe('{"single":"[secret]","batch":"[secret]"}');
      // The parts of the secret keys that are no zeros are nowhere but with the user.
      for (const { secret } of Object.values(set.secrets).map((secret) => ({ secret }))) {
        const bytes = Buffer.from(secret.expose());
        const part = bytes.subarray(bytes.length / 2, bytes.length / 2 + 32);
        expect(readFileSync(path.join(folder, '1.secret')).includes(part)).toBe(true);
        expect(readFileSync(keyFile(alice)).includes(part)).toBe(false);
      }
    },
    SLOW,
  );

  test(
    'replaces them with the key epoch, and still opens what came before',
    async () => {
      const before = readFileSync(keyFile(alice));
      const [old] = await alice.api.jobs(consent);
      await alice.keyring.renew();
      await alice.publish();
      expectRight(alice, await alice.allResults(consent, 25));
      expect(readFileSync(keyFile(alice)).equals(before)).toBe(false);
      expect(backendFiles()).toHaveLength(1);
      expect((await alice.results(old.job)).beats.length).toBeGreaterThan(0);
    },
    SLOW,
  );
});

describe('a hostile user', () => {
  let mallory: Person;
  let given: Uint8Array;
  beforeAll(async () => {
    mallory = await world.openUser('mallory');
    given = await mallory.consent();
    await mallory.publish({ count: 6 });
    await until(
      async () => (await mallory.api.pending(given)).length === 6,
      () => 'the samples of mallory',
    );
  }, SLOW);

  /** Evaluation keys of any bytes, properly signed; returns their name. */
  async function sendKeys(epoch: number, body: Uint8Array): Promise<Uint8Array> {
    const { identity } = mallory.user;
    const keys = {
      ...{ v: 1 as const, user: identity.id, epoch, body: bodyHash(body), bytes: body.length },
      issued: 1,
    };
    const signed = sign(EVALUATION_KEYS, keys, identity);
    await mallory.api.putEvaluationKeys(encodeFrame(signed, body));
    return protocol.objectHash(EVALUATION_KEYS, keys);
  }

  /** A request of any bytes, properly signed; returns the code that its job fails with. */
  async function ask(layout: Layout, keys: Uint8Array, body: Uint8Array) {
    const [sequence] = await mallory.api.pending(given);
    const { samples } = await mallory.api.samples({
      ...{ device: mallory.device.id, stream: 0, from: sequence, limit: 1 },
    });
    const { time } = protocol.decodeSample(samples[0].envelope);
    const request = {
      ...{ v: 1 as const, consent: given, keys, layout, sequences: [sequence] },
      ...{ authentic: Uint8Array.of(1), from: time, to: time },
      ...{ body: bodyHash(body), bytes: body.length },
    };
    const signed = sign(ENCRYPTED_REQUEST, request, mallory.user.identity);
    const job = await mallory.api.submitRequest(given, encodeFrame(signed, body));
    await until(
      async () => (await mallory.api.job(job)).state !== 'running',
      () => 'the end of the job',
    );
    const { state, ...rest } = await mallory.api.job(job);
    return [state, 'code' in rest ? rest.code : undefined];
  }

  test(
    'gets a documented error for each kind of bad bytes, and others go on',
    async () => {
      // Good bytes to begin with, of whomever.
      const set = await alice.keyring.current();
      const evaluation = protocol.decodeFrame(await alice.keyring.frame(set)).body;
      const keys = { secret: set.secrets.single, evaluation };
      const single = await scheme.encryptBeats('single', keys, [new Uint8Array(187)]);
      const none = new Uint8Array(32);
      const malformed = ['failed', 'HOMOMORPHIC_INPUT'];

      // Alice's beats are computed meanwhile.
      const going = alice.publish({ count: 3 }).then(() => alice.allResults(consent, 28));

      // Ciphertexts of other parameters: those of one layout as those of the other.
      expect(await ask('batch', none, single)).toEqual(malformed);
      // A stream that is cut short, and bytes that are none of ours.
      const good = await sendKeys(1, evaluation);
      const cut = single.subarray(0, single.length >> 1);
      expect(await ask('single', good, cut)).toEqual(malformed);
      expect(await ask('batch', none, new Uint8Array(100_000).fill(0xff))).toEqual(malformed);
      // Residues that are none, in a frame of the right length.
      const wild = Uint8Array.from(single).fill(0xff, 1000);
      expect(await ask('single', good, wild)).toEqual(malformed);
      // Malformed evaluation keys: too short, and of the right length with residues that are none.
      const short = await sendKeys(2, evaluation.subarray(0, 5000));
      expect(await ask('single', short, single)).toEqual(malformed);
      const wildKeys = await sendKeys(3, Uint8Array.from(evaluation).fill(0xff, 1000));
      expect(await ask('single', wildKeys, single)).toEqual(malformed);

      expectRight(alice, await going);
    },
    SLOW,
  );
});

describe('a revocation', () => {
  test(
    'deletes the evaluation keys at the server and at the backend',
    async () => {
      const { id } = alice.user.identity;
      expect(world.server.holdsKeysOf(id)).toBe(true);
      expect(backendFiles()).toContain(`keys-${alice.id}`);
      await revokeConsent(alice.api, alice.user, consent);
      await until(
        () => !world.server.holdsKeysOf(id) && !backendFiles().includes(`keys-${alice.id}`),
        () => backendFiles().join(),
      );
      const samples = [...(await alice.api.jobs(consent))].length;
      await alice.publish({ count: 2 });
      // A new consent is served again: the agent sends the keys once more.
      const next = await alice.consent();
      await alice.allResults(next, 30);
      expect((await alice.api.jobs(consent)).length).toBe(samples);
      expect(world.server.holdsKeysOf(id) || backendFiles().length > 0).toBe(true);
    },
    SLOW,
  );

  test('leaves nothing of users in the files of the server', () => {
    const names = readdirSync(world.serverDir).sort();
    expect(names).toEqual(['descriptor.cbor', 'revocations.log', 'server-keys.json']);
  });
});

test('no upload that the agent makes is longer than the backend takes', () => {
  expect(fhe.EVALUATION_KEYS_MAX_BYTES).toBeLessThanOrEqual(protocol.EVALUATION_KEYS_MAX_BYTES);
  expect(fhe.REQUEST_MAX_BYTES).toBeLessThanOrEqual(protocol.REQUEST_MAX_BYTES);
  expect(fhe.REPLY_MAX_BYTES).toBeLessThanOrEqual(protocol.REPLY_MAX_BYTES);
  expect(scheme.maxBeats('batch')).toBeLessThanOrEqual(protocol.REQUEST_MAX_BEATS);
});
