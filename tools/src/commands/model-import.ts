import path from 'node:path';
import type { Command } from 'commander';
import { loadRecords } from '../model/dataset.ts';
import { cutBeats } from '../ecg/index.ts';
import { writeModelFile } from '../model/index.ts';
import { jsonOption, numberWithin, positiveInteger, usageError } from './options.ts';
import { fields, print } from './output.ts';

interface ImportCommandOptions {
  out: string;
  records: string;
  windows: number;
  scale: number;
  name?: string;
  json?: true;
}

const DEFAULT_WINDOWS = 1000;
const SCALE_MAX = 255;

export function importCommand(model: Command): void {
  const command = model
    .command('import')
    .argument('<file>', 'ONNX file: dense and 1-D convolutions, ReLU, squares, average pooling')
    .description('make a model file of an ONNX network, and compare it with the original')
    .requiredOption('--out <file>', 'model file to write')
    .requiredOption('--records <dir>', 'folder of WFDB records to convert and compare on')
    .option('--windows <n>', 'most windows to compare on', positiveInteger, DEFAULT_WINDOWS)
    .option(
      '--scale <x>',
      'what the network reads for a window byte of 255',
      numberWithin(0, SCALE_MAX),
      1,
    )
    .option('--name <name>', 'name of the model (default: that of the file)');
  jsonOption(command).action(async (file: string, options: ImportCommandOptions) => {
    const { out, records, windows, scale, json } = options;
    if (scale === 0) throw usageError('--scale is above 0');
    const beats = (await loadRecords(records)).flatMap((source) => cutBeats(source));
    const step = Math.max(1, Math.ceil(beats.length / windows));
    const name = options.name ?? path.basename(file, '.onnx').replace(/[^\w.-]/g, '-');
    // Loaded here: the ONNX runtime is large, and no other command needs it.
    const { importOnnx } = await import('../onnx/import.ts');
    const { model, report } = await importOnnx({
      ...{ file, name, scale },
      windows: beats.filter((_, i) => i % step === 0).map(({ window }) => window),
    });
    await writeModelFile(out, {
      ...model,
      training: { data: `imported from ${path.basename(file)}` },
      figures: { import: { how: 'this model against the original in an ONNX runtime', ...report } },
    });
    const { widths } = model.model;
    print(json, { file: out, name, widths, activation: model.float.activation, ...report }, [
      ...fields({
        'written to': out,
        layers: widths.join(' - '),
        windows: report.windows,
        'same class as the original': `${(100 * report.agreement).toFixed(2)} %`,
        'largest error': `${report.largestError.toPrecision(3)} (${(100 * report.relativeError).toPrecision(2)} % of the largest output)`,
      }),
    ]);
  });
}
