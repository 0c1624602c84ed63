import { describe, expect, test } from '@jest/globals';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { cutBeats } from '../../src/ecg/beats.ts';
import { synthesise } from '../../src/ecg/synthesiser.ts';
import { importOnnx } from '../../src/onnx/import.ts';

/** Networks with random weights, exported by PyTorch 1.13 with opset 13. */
const onnx = (name: string) =>
  path.join(fileURLToPath(new URL('onnx/', import.meta.url)), `${name}.onnx`);
const windows = cutBeats(synthesise({ seed: 3, beats: 60, ventricular: 0.2 })).map(
  ({ window }) => window,
);
const imported = (name: string, file = onnx(name)) => importOnnx({ file, name, scale: 1, windows });

describe('ONNX import', () => {
  test.each([
    ['pytorch-dense', [187, 8, 5], 'relu'],
    ['pytorch-square', [187, 6, 5], 'square'],
    // 3 filters of 46 values, pooled and convolved to 2 of 12: linear parts are one layer.
    ['pytorch-conv', [187, 138, 24, 5], 'relu'],
  ])(
    'of %s agrees with the ONNX runtime',
    async (name, widths, activation) => {
      const { model, report } = await imported(name);
      expect(model.model.widths).toEqual(widths);
      expect(model.float.activation).toBe(activation);
      expect(report.windows).toBe(60);
      expect(report.agreement).toBeGreaterThan(0.95);
      expect(report.relativeError).toBeLessThan(0.05);
    },
    60_000,
  );

  test('names the node that it cannot compute', async () => {
    await expect(imported('pytorch-sigmoid')).rejects.toMatchObject({
      code: 'INPUT_FILE',
      message: expect.stringMatching(/node \/1\/Sigmoid \(Sigmoid\) is not supported/) as unknown,
    });
  });

  test('refuses what is no ONNX file', async () => {
    const file = path.join(await mkdtemp(path.join(tmpdir(), 'mozaik-onnx-')), 'x.onnx');
    await writeFile(file, 'not a network');
    await expect(imported('x', file)).rejects.toMatchObject({ code: 'INPUT_FILE' });
    await expect(imported('x', '/nonexistent')).rejects.toMatchObject({ code: 'INPUT_FILE' });
  });
});
