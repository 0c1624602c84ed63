/** Homomorphic keys and requests of a user, with a scheme that encrypts nothing. */
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { inspect } from 'node:util';
import { afterAll, describe, expect, test } from '@jest/globals';
import { AsconAead128, epochKey } from '@mozaik/firmware';
import {
  BEAT_ENVELOPE_BYTES,
  CONSENT,
  createIdentity,
  createSealKeys,
  decodeFrame,
  EPOCH_MS,
  HEADER_BYTES,
  HOMOMORPHIC,
  jobHash,
  KIND_ECG_BEAT,
  MozaikError,
  objectHash,
  SEALED_MODEL,
  sealReply,
  Secret,
  sign,
  SUITE_ASCON_AEAD128,
  verifyConsent,
  verifyEvaluationKeys,
  verifyRequest,
  writeHeader,
  type Consent,
  type Layout,
} from '@mozaik/protocol';
import {
  createDevice,
  Keyring,
  keysInFolder,
  openEncryptedResults,
  prepareRequest,
  replyOpener,
  sendRequest,
  type Api,
  type HomomorphicScheme,
} from '../src/index.ts';
import { KEY_SET_LIFETIME_MS } from '../src/homomorphic.ts';

const filled = (length: number, value: number) => new Uint8Array(length).fill(value);

const user = { identity: createIdentity(filled(32, 1)), resultKeys: createSealKeys(filled(32, 2)) };
const server = createIdentity(filled(32, 3));
const provider = createIdentity(filled(32, 4));
const device = createDevice('board');

const folders: string[] = [];
function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'mozaik-homomorphic-'));
  folders.push(folder);
  return folder;
}
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

/** What was encrypted, and under which key. */
interface Call {
  layout: Layout;
  secret: number;
  windows: number[];
}

function fakeScheme() {
  const calls: Call[] = [];
  const opened: Call[] = [];
  let made = 100;
  const scheme: HomomorphicScheme = {
    createKeys: (layout) =>
      Promise.resolve({
        secret: new Secret(filled(64, ++made)),
        evaluation: layout === 'single' ? filled(50, made) : new Uint8Array(0),
      }),
    maxBeats: (layout) => (layout === 'single' ? 2 : 4),
    encryptBeats: (layout, { secret }, windows) => {
      const call = { layout, secret: secret.expose()[0], windows: windows.map(([first]) => first) };
      calls.push(call);
      return Promise.resolve(filled(10, windows.length));
    },
    openReply: (layout, { secret }, _reply, beats) => {
      opened.push({ layout, secret: secret.expose()[0], windows: [] });
      return Promise.resolve(Array.from({ length: beats }, (_, n) => ({ classIndex: n % 2 })));
    },
  };
  return { scheme, calls, opened };
}

const codeOf = async (run: Promise<unknown>) => {
  const error: unknown = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof MozaikError ? error.code : error;
};

describe('the keyring', () => {
  test('makes a set once, keeps it for the owner alone, and finds it after a restart', async () => {
    const folder = temporaryFolder();
    const { scheme } = fakeScheme();
    const keyring = new Keyring(keysInFolder(folder), scheme, user.identity, () => 1000);
    const [set, same] = await Promise.all([keyring.current(), keyring.current()]);
    expect(same).toBe(set);
    expect(set.epoch).toBe(1);
    expect(inspect(set, { depth: 9 })).toContain('[secret]');

    const kept = path.join(folder, 'homomorphic');
    for (const name of readdirSync(kept)) {
      expect(statSync(path.join(kept, name)).mode & 0o777).toBe(0o600);
    }
    const again = new Keyring(keysInFolder(folder), scheme, user.identity, () => 2000);
    const found = await again.find(set.hash);
    expect(found?.secrets.single.expose()).toStrictEqual(set.secrets.single.expose());
    expect((await again.current()).epoch).toBe(1);
    const { signed, body } = decodeFrame(await again.frame(found!));
    const announced = verifyEvaluationKeys(signed, user.identity.id);
    expect(announced.hash).toStrictEqual(set.hash);
    expect(body).toStrictEqual(filled(50, 101));
  });

  test('replaces it on demand and with age; the old one is still found', async () => {
    const { scheme } = fakeScheme();
    let now = 1000;
    const keyring = new Keyring(keysInFolder(temporaryFolder()), scheme, user.identity, () => now);
    const first = await keyring.current();
    expect((await keyring.renew()).epoch).toBe(2);
    now += KEY_SET_LIFETIME_MS - 1;
    expect((await keyring.current()).epoch).toBe(2);
    now += 1;
    expect((await keyring.current()).epoch).toBe(3);
    expect((await keyring.find(first.hash))?.epoch).toBe(1);
    expect(await keyring.find(filled(32, 0))).toBeUndefined();
  });

  test('refuses a damaged file without quoting it', async () => {
    const folder = temporaryFolder();
    const { scheme } = fakeScheme();
    await new Keyring(keysInFolder(folder), scheme, user.identity).current();
    writeFileSync(path.join(folder, 'homomorphic', '1.secret'), 'not CBOR');
    const again = new Keyring(keysInFolder(folder), scheme, user.identity);
    expect(await codeOf(again.current())).toBe('STATE_CORRUPT');
  });
});

const consentOf = (change: Partial<Consent> = {}): Consent => ({
  v: 1,
  user: user.identity.id,
  device: device.id,
  stream: 0,
  kind: KIND_ECG_BEAT,
  analysis: 'classify-heartbeat',
  protocol: HOMOMORPHIC,
  parties: [{ id: server.id, descriptor: filled(32, 1) }],
  model: filled(32, 2),
  resultKey: user.resultKeys.publicKey,
  mode: 'streaming',
  from: 1000,
  to: 2000,
  firstEpoch: 0,
  epochCount: 1,
  sequences: [],
  notBefore: 0,
  expires: 2 ** 47,
  nonce: filled(16, 1),
  ...change,
});
const consent = verifyConsent(sign(CONSENT, consentOf(), user.identity));

/** An envelope of the device: a window of `sequence`, at this time. */
function envelope(sequence: number, { time = 1500, altered = false } = {}): Uint8Array {
  const out = new Uint8Array(BEAT_ENVELOPE_BYTES);
  const epoch = Math.floor(time / EPOCH_MS);
  writeHeader(out, {
    ...{ suite: SUITE_ASCON_AEAD128, kind: KIND_ECG_BEAT, epoch, time, stream: 0, sequence },
    boot: new Uint8Array(10),
  });
  new AsconAead128().encrypt(
    epochKey(device.masterKey.expose(), user.identity.id, device.id, 0, epoch),
    out.subarray(14, HEADER_BYTES),
    out.subarray(0, 14),
    filled(187, sequence),
    out.subarray(HEADER_BYTES),
  );
  if (altered) out[HEADER_BYTES] ^= 1;
  return out;
}

/** A backend with these envelopes, by sequence number. */
function apiOf(stored: Map<number, Uint8Array>) {
  const sent: string[] = [];
  let hasKeys = false;
  const api = {
    session: { identity: user.identity },
    samples: ({ from, limit }: { from: number; limit: number }) => {
      const page = [...stored].filter(([sequence]) => sequence >= from).slice(0, limit);
      return Promise.resolve({
        samples: page.map(([, data]) => ({ received: 1, envelope: data })),
      });
    },
    submitRequest: () => {
      sent.push('request');
      if (!hasKeys) return Promise.reject(new MozaikError('EVALUATION_KEYS_MISSING'));
      return Promise.resolve(filled(16, 1));
    },
    putEvaluationKeys: () => {
      sent.push('keys');
      hasKeys = true;
      return Promise.resolve();
    },
  };
  return { api: api as unknown as Api, sent };
}

const envelopes = (...sequences: number[]) =>
  new Map(sequences.map((sequence) => [sequence, envelope(sequence)]));

describe('a request', () => {
  const open = () => {
    const { scheme, calls } = fakeScheme();
    const keyring = new Keyring(keysInFolder(temporaryFolder()), scheme, user.identity);
    const prepare = (stored: Map<number, Uint8Array>, sequences: number[]) =>
      prepareRequest(apiOf(stored).api, device, keyring, scheme, consent, sequences);
    return { scheme, calls, keyring, prepare };
  };

  test('has few beats in one layout and many in the other, and is cut to what fits', async () => {
    const { calls, prepare } = open();
    await prepare(envelopes(1, 2), [1, 2]);
    const { request, frame } = await prepare(envelopes(1, 2, 4, 7, 8, 9), [1, 2, 7, 8, 9]);
    expect(calls).toEqual([
      { layout: 'single', secret: 101, windows: [1, 2] },
      { layout: 'batch', secret: 102, windows: [1, 2, 7, 8] },
    ]);
    expect(request.sequences).toEqual([1, 2, 7, 8]);
    expect(verifyRequest(decodeFrame(frame).signed, consent).value).toStrictEqual(request);
  });

  test('names altered samples and leaves them out', async () => {
    const { calls, prepare } = open();
    const stored = envelopes(1, 2);
    stored.set(1, envelope(1, { altered: true }));
    const { request } = await prepare(stored, [1, 2]);
    expect(request.authentic).toStrictEqual(Uint8Array.of(0, 1));
    expect(calls).toMatchObject([{ windows: [2] }]);
    stored.set(2, envelope(2, { altered: true }));
    expect((await prepare(stored, [1, 2])).request.bytes).toBe(0);
    expect(calls).toHaveLength(1);
  });

  test('is never over what the user has not consented to, or what is not there', async () => {
    const { calls, prepare } = open();
    const stored = envelopes(1, 2);
    stored.set(2, envelope(2, { time: 2000 }));
    expect(await codeOf(prepare(stored, [1, 2]))).toBe('CONSENT_MISMATCH');
    expect(await codeOf(prepare(stored, [1, 3]))).toBe('NOT_FOUND');
    expect(calls).toEqual([]);
  });

  test('brings the evaluation keys when they are missing, and only then', async () => {
    const { keyring, scheme } = open();
    const { api, sent } = apiOf(envelopes(1));
    const prepared = await prepareRequest(api, device, keyring, scheme, consent, [1]);
    await sendRequest(api, keyring, prepared);
    await sendRequest(api, keyring, prepared);
    expect(sent).toEqual(['request', 'keys', 'request', 'request']);
  });
});

describe('a reply', () => {
  const model = {
    ...{ v: 1 as const, provider: provider.id, name: 'squares', widths: [187, 2] },
    ...{ activation: 'square' as const, classes: ['fine', 'odd'], anomalies: [1] },
    ...{ parties: [server.id], commitments: [filled(32, 1)] },
  };
  const given = sign(CONSENT, consentOf({ model: objectHash(SEALED_MODEL, model) }), user.identity);
  const hash = verifyConsent(given).hash;
  const request = { v: 1 as const, job: filled(16, 1), consent: hash, sequences: [3, 4, 5] };
  const finished = (authentic: number[], keys: Uint8Array, who = server) => ({
    request,
    consent: given,
    model: sign(SEALED_MODEL, model, provider),
    sealed: [
      sealReply(
        {
          ...{ job: jobHash(request), consent: hash, party: server.id, request: filled(32, 1) },
          ...{ keys, layout: 'batch', authentic: Uint8Array.from(authentic) },
        },
        filled(20, 1),
        who,
        user.resultKeys.publicKey,
      ),
    ],
  });

  test('opens with the keys that it names, to labels and nothing else', async () => {
    const { scheme, opened } = fakeScheme();
    const keyring = new Keyring(keysInFolder(temporaryFolder()), scheme, user.identity);
    const first = await keyring.current();
    await keyring.renew();
    const opener = replyOpener(keyring, scheme);
    const result = await openEncryptedResults(user, finished([1, 0, 1], first.hash), opener);
    expect(result.beats).toEqual([
      {
        ...{ sequence: 3, authentic: true, classIndex: 0, className: 'fine' },
        ...{ margin: null, anomaly: false },
      },
      { sequence: 4, authentic: false },
      {
        ...{ sequence: 5, authentic: true, classIndex: 1, className: 'odd' },
        ...{ margin: null, anomaly: true },
      },
    ]);
    expect(opened).toEqual([{ layout: 'batch', secret: 102, windows: [] }]);
  });

  test('that does not fit to the job, is of another, or under unknown keys is refused', async () => {
    const { scheme } = fakeScheme();
    const keyring = new Keyring(keysInFolder(temporaryFolder()), scheme, user.identity);
    const { hash: keys } = await keyring.current();
    const opener = replyOpener(keyring, scheme);
    const open = (job: ReturnType<typeof finished>) =>
      codeOf(openEncryptedResults(user, job, opener));
    expect(await open(finished([1, 1], keys))).toBe('RESULT_INVALID');
    expect(await open(finished([1, 2, 1], keys))).toBe('RESULT_INVALID');
    expect(await open(finished([1, 1, 1], keys, provider))).toBe('RESULT_INVALID');
    expect(await open(finished([1, 1, 1], filled(32, 9)))).toBe('SHARE_UNREADABLE');
    const outside: HomomorphicScheme = {
      ...scheme,
      openReply: (_layout, _keys, _reply, beats) =>
        Promise.resolve(Array.from({ length: beats }, () => ({ classIndex: 2 }))),
    };
    const wrong = replyOpener(keyring, outside);
    const job = finished([1, 1, 1], keys);
    expect(await codeOf(openEncryptedResults(user, job, wrong))).toBe('RESULT_INVALID');
  });
});
