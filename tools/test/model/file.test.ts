import { describe, expect, test } from '@jest/globals';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom } from '../../src/ecg/random.ts';
import {
  formatModelFile,
  parseModelFile,
  readModelFile,
  writeModelFile,
  type ModelFile,
} from '../../src/model/file.ts';
import { initialise } from '../../src/model/network.ts';
import { roundModel } from '../../src/model/quantise.ts';

const float = initialise([187, 3, 5], 'relu', seededRandom(1));
const file: ModelFile = {
  model: roundModel(float, 'tiny', 8),
  float,
  training: { seed: 1 },
  figures: { accuracy: 0.5 },
};

describe('model file', () => {
  test('gives back what was written', async () => {
    const path = join(await mkdtemp(join(tmpdir(), 'mozaik-model-')), 'm.json');
    await writeModelFile(path, file);
    expect(await readModelFile(path)).toEqual(file);
  });

  test('holds parameters as little-endian 32-bit integers', () => {
    const biases = [Int32Array.of(1, -1, 0x123456), Int32Array.of(0, 0, 0, 0, 0)];
    const text = formatModelFile({ ...file, model: { ...file.model, biases } });
    const content = JSON.parse(text) as { biases: string[] };
    expect(Buffer.from(content.biases[0], 'base64').toString('hex')).toBe(
      '01000000ffffffff56341200',
    );
  });

  test('refuses a path that cannot be read or written', async () => {
    await expect(readModelFile('/nonexistent/m')).rejects.toMatchObject({ code: 'INPUT_FILE' });
    await expect(writeModelFile('/nonexistent/m', file)).rejects.toMatchObject({
      code: 'INPUT_FILE',
    });
  });

  const content = (): Record<string, unknown> =>
    JSON.parse(formatModelFile(file)) as Record<string, unknown>;
  const words = (...values: number[]): string =>
    Buffer.from(Int32Array.from(values).buffer).toString('base64');
  const zeros = words(0, 0, 0, 0, 0);

  test.each<[string, Record<string, unknown>, RegExp]>([
    ['another format', { format: 'onnx' }, /not a model file/],
    ['another version', { version: 1 }, /version other than 2/],
    ['an unknown field', { extra: 1 }, /unknown field extra/],
    ['a bad name', { name: 'a b' }, /no proper name/],
    ['no widths', { widths: 'x' }, /no list of layer widths/],
    ['a width of zero', { widths: [187, 0, 5] }, /architecture/],
    ['too many fraction bits', { fractionBits: 13 }, /architecture/],
    ['fraction bits as text', { fractionBits: '8' }, /no number of fraction bits/],
    ['other classes', { classes: ['N', 'V', 'S', 'F', 'Q'] }, /classes other than/],
    ['another window format', { windowFormat: 1 }, /window format/],
    ['other inputs', { widths: [186, 3, 5] }, /187 samples to 5 classes/],
    ['a missing layer', { biases: [zeros] }, /2 layers of biases/],
    ['a short layer', { biases: [words(0, 0), zeros] }, /3 biases in layer 0/],
    ['a long layer', { biases: [zeros, zeros] }, /3 biases in layer 0/],
    ['a layer that is no text', { biases: [null, zeros] }, /3 biases in layer 0/],
    ['junk in base64', { biases: [`${words(0, 0, 0)} `, zeros] }, /3 biases in layer 0/],
    ['a value beyond the ring', { biases: [words(0, 1 << 23, 0), zeros] }, /beyond 24 bits/],
    ['a value below the ring', { biases: [words(0, -(1 << 23), 0), zeros] }, /beyond 24 bits/],
    ['no figures', { figures: null }, /training and figures/],
  ])('refuses %s', (_, change, message) => {
    const text = JSON.stringify({ ...content(), ...change });
    expect(() => parseModelFile(text, 'm.json')).toThrow(
      expect.objectContaining({
        code: 'INPUT_FILE',
        message: expect.stringMatching(message) as unknown,
      }),
    );
  });

  test.each(['', 'null', '[]', '{'])('refuses %j for a file', (text) => {
    expect(() => parseModelFile(text, 'm.json')).toThrow(/m\.json/);
  });
});
