import { describe, expect, test } from '@jest/globals';
import { EPOCH_MS, type SamplePage } from '@mozaik/protocol';
import {
  createDevice,
  openSample,
  readSamples,
  type Api,
  type OpenedSample,
} from '../src/index.ts';
import * as f from './fixtures.ts';
import { codeOf } from './fixtures.ts';

const time = f.EPOCH_START + 5;
const open = (envelope: Uint8Array, user = f.user.identity.id, device = f.device) =>
  openSample(user, device, f.STREAM, envelope);

describe("a user's own samples", () => {
  test('open with the master key, in whatever epoch they are', () => {
    for (const at of [time, time + EPOCH_MS, time + 1000 * EPOCH_MS]) {
      expect(open(f.encryptBeat(9, at))).toStrictEqual({
        sequence: 9,
        epoch: Math.floor(at / EPOCH_MS),
        time: at,
        plaintext: f.plainBeat(9),
      });
    }
  });

  test('every altered byte is noticed, and nothing is shown of the beat', () => {
    const envelope = f.encryptBeat(9, time);
    for (let at = 0; at < envelope.length; at++) {
      const altered = Uint8Array.from(envelope);
      altered[at] ^= 1;
      const opened = open(altered);
      expect(opened).not.toHaveProperty('plaintext');
      expect(opened).toHaveProperty('code');
    }
  });

  test("do not open as another user's or another device's", () => {
    const envelope = f.encryptBeat(9, time);
    const failed = { sequence: 9, code: 'TAG_MISMATCH' };
    expect(open(envelope, f.provider.id)).toStrictEqual(failed);
    expect(open(envelope, f.user.identity.id, createDevice('other'))).toStrictEqual(failed);
    expect(open(f.encryptBeat(9, time, f.STREAM + 1))).toStrictEqual(failed);
  });

  test('a malformed one fails alone', () => {
    expect(open(new Uint8Array(233))).toMatchObject({ code: 'ENVELOPE_VERSION' });
    expect(open(new Uint8Array(10))).toMatchObject({ code: 'ENVELOPE_MALFORMED' });
  });
});

describe('reading samples', () => {
  /** A store of `sequences`, which answers pages of 1024. */
  function store(sequences: number[], asked: number[] = []): Api {
    const samples = ({ from }: { from: number }): Promise<SamplePage> => {
      asked.push(from);
      const page = sequences.filter((sequence) => sequence >= from).slice(0, 1024);
      const entry = (sequence: number) => ({
        received: 1,
        envelope: f.encryptBeat(sequence, time),
      });
      return Promise.resolve({ v: 1, samples: page.map(entry) });
    };
    return { samples, session: { identity: f.user.identity } } as unknown as Api;
  }

  async function read(api: Api, from?: number): Promise<OpenedSample[]> {
    const all = [];
    for await (const sample of readSamples(api, f.device, f.STREAM, from)) all.push(sample);
    return all;
  }

  test('goes through all pages', async () => {
    const asked: number[] = [];
    const sequences = Array.from({ length: 1500 }, (_, i) => 2 * i);
    const all = await read(store(sequences, asked));
    expect(all.map(({ sequence }) => sequence)).toStrictEqual(sequences);
    expect(asked).toStrictEqual([0, 2047]);
  });

  test('begins where it is told, and ends at the last sequence number there is', async () => {
    const last = 2 ** 32 - 1;
    const all = await read(store([1, 5, last]), 5);
    expect(all.map(({ sequence }) => sequence)).toStrictEqual([5, last]);
  });

  test('a backend that answers the same page for ever is caught', async () => {
    const stuck = {
      samples: () =>
        Promise.resolve({
          v: 1,
          samples: Array.from({ length: 1024 }, (_, i) => ({
            received: 1,
            envelope: f.encryptBeat(i, time),
          })),
        }),
      session: { identity: f.user.identity },
    } as unknown as Api;
    expect(await codeOf(() => read(stuck))).toBe('ENCODING_INVALID');
  });
});
