import type { Command } from 'commander';
import { formatRow, ROW_HEADING } from '../up/results.ts';
import { runUp, type UpEvent, type UpReady } from '../up/up.ts';
import { DEFAULT_DATA_DIR, numberWithin, usageError, wholeNumber } from './options.ts';
import { fields, note, printJson, printLine } from './output.ts';

interface Options {
  data: string;
  boards: number;
  rate: number;
  records?: string;
  record?: string;
  json?: true;
}

/** Each has up to four active consents, of the 64 that a backend allows a user. */
const BOARDS_MAX = 12;
/** Heartbeats per second: far above any heart, and below what the broker slows down. */
const RATE = { min: 0.1, max: 50 };

export function upCommand(program: Command): void {
  program
    .command('up')
    .description(
      'run a local stack with simulated boards until Ctrl-C; later starts go on from there',
    )
    .option('--data <dir>', 'folder that keeps all state', DEFAULT_DATA_DIR)
    .option(
      '--boards <n>',
      `simulated boards, at most ${BOARDS_MAX}; 0 for none`,
      wholeNumber(0),
      2,
    )
    .option('--rate <n>', 'heartbeats per second and board', numberWithin(RATE.min, RATE.max), 1)
    .option('--records <dir>', 'replay a WFDB record from this folder (default: synthesise)')
    .option('--record <name>', 'name of the record, such as 208')
    .option('--json', 'print one JSON document per line and event, with a field "event"')
    .action(async (options: Options) => {
      const { data, boards, rate, records, record, json } = options;
      if ((records === undefined) !== (record === undefined)) {
        throw usageError('--records and --record go together');
      }
      if (boards > BOARDS_MAX) throw usageError(`--boards is at most ${BOARDS_MAX}`);
      await runUp({
        dataDir: data,
        boards,
        rate,
        ...(records !== undefined && record !== undefined
          ? { recording: { dir: records, name: record } }
          : {}),
        onEvent: json ? printJson : (event) => show(event, data),
      });
    });
}

function show(event: UpEvent, data: string): void {
  if (event.event === 'result') printLine(formatRow(event));
  else if (event.event === 'message') note(event.text);
  else for (const line of introduction(event, data)) printLine(line);
}

const introduction = (
  { httpUrl, docsUrl, mqttUrl, dataDir, user, model }: UpReady,
  data: string,
) => [
  '',
  ...fields({ API: httpUrl, 'its pages': docsUrl, MQTT: mqttUrl, data: dataDir, user, model }),
  '',
  `Results appear below as the user opens them; Ctrl-C ends everything. In another terminal:`,
  `  mozaik user results --data ${data}`,
  `  mozaik user consent list --data ${data}`,
  '',
  ROW_HEADING,
];
