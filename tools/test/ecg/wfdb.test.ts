import { describe, expect, test } from '@jest/globals';
import { mkdtemp, readFile, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { synthesise } from '../../src/ecg/synthesiser.ts';
import {
  checksum,
  decode212,
  decodeAnnotations,
  parseHeader,
  readAnnotatedRecord,
  readRecord,
} from '../../src/ecg/wfdb.ts';
import { recordings } from './shared.ts';
import { encode212, writeRecords } from './wfdb-writer.ts';

const inputFile = (message: RegExp): unknown =>
  expect.objectContaining({
    code: 'INPUT_FILE',
    message: expect.stringMatching(message) as unknown,
  });

describe('header', () => {
  const LINES = ['x 2 360 10', 'x.dat 212 200 11 1024 995 -22131 0 MLII', 'x.dat 212 200 11 1024'];

  test('reads every field', () => {
    const text = [
      '# 69 M 1085 1629 x1',
      'x9 2 360/1(0) 650000 0:0:0 1/1/1980',
      'x9.dat 212 200.5(1000)/uV 11 1024 995 -22131 0 modified lead II',
      'x9.dat 212',
      '# Aldomet, Inderal',
    ].join('\r\n');
    expect(parseHeader(text, 'x9.hea')).toEqual({
      name: 'x9',
      rateHz: 360,
      length: 650000,
      comments: ['69 M 1085 1629 x1', 'Aldomet, Inderal'],
      signals: [
        {
          ...{ file: 'x9.dat', gain: 200.5, baseline: 1000, units: 'uV', initial: 995 },
          ...{ checksum: -22131, description: 'modified lead II' },
        },
        {
          ...{ file: 'x9.dat', gain: 200, baseline: 0, units: 'mV', initial: undefined },
          ...{ checksum: undefined, description: '' },
        },
      ],
    });
  });

  test('takes the ADC zero for a baseline that is not given', () => {
    expect(parseHeader(LINES.join('\n'), 'x.hea').signals[0].baseline).toBe(1024);
  });

  test.each([
    ['nothing', '# only a comment', /x\.hea is empty/],
    ['a multi-segment record', 'x/3 2 360 10', /x\.hea line 1 is not a single-segment/],
    ['too few signals', LINES.slice(0, 2).join('\n'), /announces 2 signals and describes 1/],
    ['no signals', 'x 0 360', /names 0 signals/],
    ['no rate', 'x 1 0 10\nx.dat 212', /the sampling rate 0;/],
    ['a fractional rate', 'x 1 359.5 10\nx.dat 212', /the sampling rate 359.5;/],
    ['a monstrous length', 'x 1 360 99999999999\nx.dat 212', /claims 99999999999 samples/],
    ['another format', 'x 1 360 10\nx.dat 16 200', /line 2 has signal format 16; only 212/],
    ['frames of several samples', 'x 1 360 10\nx.dat 212x2 200', /signal format 212x2/],
    ['two files', 'x 2 360 10\nx.dat 212\ny.dat 212', /over several files/],
    ['a path in a file name', 'x 1 360 10\n../x.dat 212', /line 2 is not a signal line/],
  ])('refuses %s', (_, text, message) => {
    expect(() => parseHeader(text, 'x.hea')).toThrow(inputFile(message));
  });
});

describe('format 212', () => {
  test('unpacks hand-made bytes, negative numbers among them', () => {
    // 995 = 0x3e3, 1011 = 0x3f3; -1 = 0xfff, -2048 = 0x800; 2047 = 0x7ff, 1 = 0x001.
    const bytes = Uint8Array.of(0xe3, 0x33, 0xf3, 0xff, 0x8f, 0x00, 0xff, 0x07, 0x01);
    const [first, second] = decode212(bytes, 2, 3, 'x.dat');
    expect([...first]).toEqual([995, -1, 2047]);
    expect([...second]).toEqual([1011, -2048, 1]);
  });

  test('ends an odd number of samples after two bytes', () => {
    const bytes = Uint8Array.of(0x01, 0x20, 0x03, 0xfe, 0x0f);
    expect([...decode212(bytes, 1, 3, 'x.dat')[0]]).toEqual([1, 0x203, -2]);
  });

  test.each([8, 10])('refuses %d bytes where 9 belong', (length) => {
    expect(() => decode212(new Uint8Array(length), 2, 3, 'x.dat')).toThrow(
      inputFile(new RegExp(`x\\.dat ends at byte ${length}; 6 samples end at byte 9`)),
    );
  });

  test('gives back what was packed', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -2048, max: 2047 }), { minLength: 1 }), (samples) => {
        const [decoded] = decode212(encode212(samples), 1, samples.length, 'x.dat');
        expect([...decoded]).toEqual(samples);
      }),
    );
  });

  test('sums to a signed 16-bit checksum', () => {
    expect(checksum(Int16Array.of(2047, -1))).toBe(2046);
    expect(checksum(new Int16Array(17).fill(2000))).toBe(34000 - 65536);
  });
});

describe('annotations', () => {
  const N = 1 << 2;
  const V = 5 << 2;
  const END = [0, 0];

  test('reads intervals, skips, numbers, channels and texts', () => {
    const bytes = Uint8Array.of(
      ...[0x12, (28 << 2) | 0, 0x03, 63 << 2, 0x28, 0x4e, 0x00, 0x00], // + at 18, text "(N" and a pad
      ...[0x4d, N], // N 77 later
      ...[0x72, N | 0x1], // N 0x172 = 370 later
      ...[0x01, 61 << 2, 0x00, 62 << 2, 0x02, 60 << 2], // SUB, CHN and NUM move nothing
      ...[0x00, 59 << 2, 0x01, 0x00, 0x02, 0x00], // skip 0x00010002, high half first
      ...[0x05, V], // V 5 after that
      ...[0x00, 59 << 2, 0xff, 0xff, 0xf6, 0xff], // skip back by 10
      ...[0x00, N],
      ...END,
    );
    const at = 18 + 77 + 370;
    expect(decodeAnnotations(bytes, 'x.atr')).toEqual([
      { sample: 18, code: 28, symbol: '+' },
      { sample: 95, code: 1, symbol: 'N' },
      { sample: at, code: 1, symbol: 'N' },
      { sample: at + 65543, code: 5, symbol: 'V' },
      { sample: at + 65533, code: 1, symbol: 'N' },
    ]);
  });

  test.each([
    ['a missing end mark', [0x05, N], /x\.atr breaks off at byte 2 without an end mark/],
    ['half a word', [0x05, N, 0x00], /breaks off at byte 3/],
    ['half a skip', [0x05, N, 0x00, 59 << 2, 0, 0], /breaks off in the interval at byte 2/],
    ['half a text', [0x05, N, 0x05, 63 << 2, 1, 2, 3], /breaks off in the text at byte 2/],
    ['an unknown code', [0x05, 55 << 2, ...END], /unknown annotation code 55 at byte 0/],
    ['bytes after the end', [...END, 0x05, N], /goes on at byte 2/],
    ['a negative time', [0, 59 << 2, 255, 255, 0, 0, 0, N, ...END], /back before .* at byte 6/],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => decodeAnnotations(Uint8Array.from(bytes), 'x.atr')).toThrow(inputFile(message));
  });
});

describe('files', () => {
  const source = synthesise({ seed: 1, beats: 5 });
  const name = source.record.name;

  test('gives back a record and its annotations', async () => {
    const read = await readAnnotatedRecord(await writeRecords([source]), name);
    expect(read).toEqual(source);
  });

  test('refuses a missing, short or altered file', async () => {
    const dir = await writeRecords([source]);
    await expect(readRecord(dir, 'y')).rejects.toEqual(inputFile(/y\.hea cannot be read/));
    const dat = join(dir, `${name}.dat`);
    const whole = await readFile(dat);
    const altered = Buffer.from(whole);
    altered[300] ^= 1;
    await writeFile(dat, altered);
    await expect(readRecord(dir, name)).rejects.toEqual(
      inputFile(/\.dat: signal 0 has the checksum -?\d+, not \d+/),
    );
    altered.set(whole);
    altered[0] ^= 1;
    await writeFile(dat, altered);
    await expect(readRecord(dir, name)).rejects.toEqual(
      inputFile(/at byte 0: signal 0 begins with/),
    );
    await truncate(dat, 100);
    await expect(readRecord(dir, name)).rejects.toEqual(inputFile(/\.dat ends at byte 100/));
  });

  test('refuses annotations after the end of the record', async () => {
    const { length } = source.record.leads[0].samples;
    const annotations = [{ sample: length, code: 1, symbol: 'N' }];
    const dir = await writeRecords([{ record: source.record, annotations }]);
    await expect(readAnnotatedRecord(dir, name)).rejects.toEqual(inputFile(/annotates sample/));
  });

  test('takes the length from the file when the header gives none', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'mozaik-wfdb-'));
    await writeFile(join(dir, 'y.hea'), 'y 2 360\ny.dat 212\ny.dat 212\n');
    await writeFile(join(dir, 'y.dat'), encode212([1, 2, 3, 4, 5, 6]));
    const { leads } = await readRecord(dir, 'y');
    expect(leads.map(({ samples }) => [...samples])).toEqual([
      [1, 3, 5],
      [2, 4, 6],
    ]);
  });
});

const dir = recordings();
(dir === undefined ? describe.skip : describe)('record 208 of the MIT-BIH database', () => {
  test('has the known length, first values and beats', async () => {
    const { record, annotations } = await readAnnotatedRecord(dir!, '208');
    expect(record.rateHz).toBe(360);
    expect(record.leads.map(({ description, samples }) => [description, samples.length])).toEqual([
      ['MLII', 650000],
      ['V1', 650000],
    ]);
    expect(record.leads.map(({ samples }) => samples[0])).toEqual([1003, 1062]);
    // Counts from the table of beats in the MIT-BIH Arrhythmia Database Directory.
    const count = (wanted: string): number =>
      annotations.filter(({ symbol }) => symbol === wanted).length;
    expect(['N', 'V', 'F', 'S', 'Q'].map(count)).toEqual([1586, 992, 373, 2, 2]);
  });
});
