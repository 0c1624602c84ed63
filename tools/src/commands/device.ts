import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import { MozaikError } from '@mozaik/protocol';
import { beatsFromRecord, beatsFromSynthesiser } from '../ecg/index.ts';
import { FAULTS, isFault, type Faults } from '../simulate/faults.ts';
import { runFleet } from '../simulate/fleet.ts';
import { startLocalBackend } from '../simulate/local.ts';
import { brokerAddress, localMembers, userMembers } from '../simulate/members.ts';
import { printFleet } from '../simulate/report.ts';
import { positiveInteger } from './options.ts';

interface Options {
  local?: true;
  backend?: string;
  broker?: string;
  audience?: string;
  user?: string;
  data?: string;
  boards: number;
  beats: number;
  rate: number;
  records?: string;
  record?: string;
  seed: number;
  fault?: Faults;
  skewMs: number;
  driftPpm: number;
  patience?: number;
  json?: true;
}

/** Distinct synthetic heartbeats; longer runs replay them again. */
const SYNTHETIC_BEATS_MAX = 512;
const AUDIENCE = 'mozaik-simulation';

const FAULT_HELP = Object.entries(FAULTS)
  .map(([name, what]) => `  ${name.padEnd(11)}${what}`)
  .join('\n');

export function deviceCommand(program: Command): void {
  const device = program.command('device').description('boards');
  device
    .command('simulate')
    .description('run simulated boards with faults, and verify what the store then holds')
    .option('--local', 'start a backend for this run, with users of its own')
    .option('--backend <url>', 'HTTP address of the backend')
    .option('--broker <url>', 'address of its broker, mqtt: or mqtts:')
    .option('--audience <name>', 'name of the backend, which logins are for')
    .option('--user <dir>', 'folder of the user that the boards belong to')
    .option('--data <dir>', 'keep the boards in this folder and go on with them at the next run')
    .option('--boards <n>', 'simulated boards', positiveInteger, 8)
    .option('--beats <n>', 'heartbeats of each board', positiveInteger, 64)
    .option('--rate <n>', 'heartbeats per second and board', positiveInteger, 8)
    .option('--records <dir>', 'replay a WFDB record from this folder (default: synthesise)')
    .option('--record <name>', 'name of the record, such as 208')
    .option('--seed <n>', 'seed of the synthesiser and of the faults', positiveInteger, 1)
    .option('--fault <kind=p>', 'a fault and its probability; may be repeated', addFault)
    .option('--skew-ms <n>', 'clocks are wrong by up to so much', positiveInteger, 0)
    .option('--drift-ppm <n>', 'clocks drift by up to so many millionths', positiveInteger, 0)
    .option(
      '--patience <s>',
      "longest wait for the last acknowledgements (default: 15 minutes of the boards' time)",
      positiveInteger,
    )
    .option('--json', 'end with one line of JSON on standard output, progress on standard error')
    .addHelpText('after', `\nFaults, per sample sent or per heartbeat:\n${FAULT_HELP}`)
    .action(simulate);
}

function addFault(text: string, faults: Faults = {}): Faults {
  const [kind, value, ...rest] = text.split('=');
  const probability = Number(value);
  if (!isFault(kind) || !value || rest.length > 0 || !(probability >= 0 && probability <= 1)) {
    const kinds = Object.keys(FAULTS).join(', ');
    throw new InvalidArgumentError(`expected KIND=PROBABILITY, with a kind of ${kinds}`);
  }
  return { ...faults, [kind]: probability };
}

async function simulate(options: Options): Promise<void> {
  const { records, record, rate, seed, fault = {}, skewMs, driftPpm, patience, json } = options;
  if ((records === undefined) !== (record === undefined)) {
    throw new InvalidArgumentError('--records and --record go together');
  }
  const windows = (
    records !== undefined && record !== undefined
      ? await beatsFromRecord(records, record)
      : beatsFromSynthesiser({ seed, beats: Math.min(options.beats, SYNTHETIC_BEATS_MAX) })
  ).map(({ window }) => window);
  if (windows.length === 0) throw new MozaikError('INPUT_FILE', 'the record has no heartbeats');
  const surroundings = await (options.local ? localSurroundings : remoteSurroundings)(options);
  let report;
  try {
    const { broker, members } = surroundings;
    const started = performance.now();
    report = await runFleet({
      ...{ broker, members, windows, beatsPerBoard: options.beats, rate, seed, skewMs, driftPpm },
      faults: fault,
      ...(patience === undefined ? {} : { patienceMs: 1000 * patience }),
      onProgress: ({ beats, acknowledged }) => {
        const seconds = ((performance.now() - started) / 1000).toFixed(1).padStart(6);
        process.stderr.write(
          `[${seconds} s] ${acknowledged} heartbeats acknowledged of ${beats}\n`,
        );
      },
    });
  } finally {
    await surroundings.close();
  }
  if (json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else printFleet(report, (line) => process.stdout.write(`${line}\n`));
  if (!report.holds) throw new MozaikError('INTERNAL', 'the simulation found a violation');
}

/** A backend and users that last as long as the run. */
async function localSurroundings({ boards, backend, broker, audience, user, data }: Options) {
  if ([backend, broker, audience, user, data].some((option) => option !== undefined)) {
    throw new InvalidArgumentError('--local makes backend, user and boards of its own');
  }
  const folder = await mkdtemp(path.join(tmpdir(), 'mozaik-simulation-'));
  const removeFolder = () => rm(folder, { recursive: true, force: true });
  try {
    process.stderr.write('starting a backend\n');
    const local = await startLocalBackend({ dataDir: folder, audience: AUDIENCE });
    return {
      broker: brokerAddress(local.mqttUrl),
      members: localMembers({ url: local.httpUrl, audience: AUDIENCE }, boards),
      close: async () => {
        await local.service.stop();
        await removeFolder();
      },
    };
  } catch (error) {
    await removeFolder();
    throw error;
  }
}

/** Boards of a user whom the backend knows: kept in `--data`, or made for the run. */
async function remoteSurroundings({ boards, backend, broker, audience, user, data }: Options) {
  if (!backend || !broker || !audience || !user) {
    throw new InvalidArgumentError('--backend, --broker, --audience and --user are needed');
  }
  if (!existsSync(user)) throw new MozaikError('INPUT_FILE', `${user} does not exist`);
  const address = brokerAddress(broker);
  const { members, close } = await userMembers({ url: backend, audience }, user, boards, data);
  return { broker: address, members, close };
}
