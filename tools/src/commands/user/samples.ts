import { loadDevices, readSamples, type OpenedSample } from '@mozaik/client';
import { toHex } from '@mozaik/protocol';
import type { Command } from 'commander';
import { agentOptions, connectUser, wholeNumber, type AgentOptions } from '../options.ts';
import { fields, isoText, print } from '../output.ts';
import { findDevice } from './device.ts';

interface Options extends AgentOptions {
  device: string;
  stream: number;
  from: number;
  show?: true;
}

export function samplesCommand(user: Command): void {
  const command = user
    .command('samples')
    .description("open a device's stored samples with its key and say what there is")
    .requiredOption('--device <device>', 'name or id of the device')
    .option('--stream <n>', 'stream of the device', wholeNumber(0), 0)
    .option('--from <n>', 'from this sequence number on', wholeNumber(0), 0)
    .option('--show', 'print the samples themselves, which are health data');
  agentOptions(command, 'user').action(async (options: Options) => {
    const { api, dir } = await connectUser(options);
    const { stream, from, show, json } = options;
    const device = findDevice(await loadDevices(dir), options.device);
    const summary = await summarise(readSamples(api, device, stream, from), show ?? false);
    const { samples, first, last, bad, windows } = summary;
    print(json, { device: toHex(device.id), stream, ...summary }, [
      ...(windows ?? []).map(({ sequence, time, window }) =>
        [sequence, time, window.join(' ')].join('  '),
      ),
      ...fields({
        device: `${device.name} (${toHex(device.id)})`,
        samples,
        first: first ? `${first.sequence} at ${first.time}` : '-',
        last: last ? `${last.sequence} at ${last.time}` : '-',
        'not authentic': bad.length,
      }),
    ]);
  });
}

async function summarise(all: AsyncIterable<OpenedSample>, show: boolean) {
  const good: { sequence: number; time: string; window: number[] }[] = [];
  const bad: { sequence: number | null; code: string }[] = [];
  for await (const sample of all) {
    if ('code' in sample) {
      bad.push({ sequence: sample.sequence ?? null, code: sample.code });
    } else {
      const { sequence, time, plaintext } = sample;
      good.push({ sequence, time: isoText(time), window: show ? [...plaintext] : [] });
    }
  }
  const end = (sample: (typeof good)[number] | undefined) =>
    sample ? { sequence: sample.sequence, time: sample.time } : null;
  return {
    samples: good.length + bad.length,
    first: end(good[0]),
    last: end(good[good.length - 1]),
    bad,
    ...(show && { windows: good }),
  };
}
