import path from 'node:path';
import {
  fetchResults,
  JobWatcher,
  loadDevices,
  SeenJobs,
  type Api,
  type JobResult,
} from '@mozaik/client';
import { MozaikError, toHex } from '@mozaik/protocol';
import type { Command } from 'commander';
import { aborted, untilInterrupted } from '../../up/interrupt.ts';
import { beatRows, formatRow, ROW_HEADING, type BeatRow } from '../../up/results.ts';
import { folderOpener } from './agent.ts';
import {
  agentOptions,
  brokerOf,
  brokerOption,
  connectUser,
  hash,
  numberWithin,
  positiveInteger,
  type AgentOptions,
} from '../options.ts';
import { counted, note, print, printJson, printLine, table } from '../output.ts';

/** Margins are differences of logits in the ring: none is larger. */
const MARGIN_MAX = 2 ** 20;
/** Remembers which results `--follow` has shown. */
const FOLLOWED_FILE = 'followed.json';

export function jobsCommand(user: Command): void {
  const command = user
    .command('jobs')
    .description('list the jobs that ran under the consents')
    .option('--consent <hash>', 'of this consent only', hash);
  agentOptions(command, 'user').action(async (options: AgentOptions & { consent?: Uint8Array }) => {
    const { api } = await connectUser(options);
    const jobs = await api.jobs(options.consent);
    print(
      options.json,
      { jobs: jobs.map((job) => ({ ...job, job: toHex(job.job), consent: toHex(job.consent) })) },
      table([
        ['job', 'state', 'heartbeats', 'attempt', 'failed with'],
        ...jobs.map(({ job, state, samples, attempt, ...rest }) => [
          toHex(job),
          state,
          String(samples),
          String(attempt),
          'code' in rest ? String(rest.code) : '',
        ]),
      ]),
    );
  });
}

interface ResultOptions extends AgentOptions {
  consent?: Uint8Array;
  last: number;
  follow?: true;
  alertMargin: number;
}

export function resultsCommand(user: Command): void {
  const command = user
    .command('results')
    .description('open results: class and margin of each heartbeat; ALERT marks anomalies')
    .option('--consent <hash>', 'of this consent only', hash)
    .option('--last <n>', 'of the newest jobs of each consent only, so many', positiveInteger, 100)
    .option(
      '--follow',
      'show what was not followed before and go on until Ctrl-C; with --json one document per line',
    )
    .option(
      '--alert-margin <x>',
      'alert of anomalies with at least this margin',
      numberWithin(0, MARGIN_MAX),
      0,
    );
  agentOptions(brokerOption(command), 'user').action((options: ResultOptions) =>
    options.follow ? follow(options) : showResults(options),
  );
}

/** Jobs that have results, the newest of each consent. */
async function newestDone(api: Api, { consent, last }: ResultOptions): Promise<Uint8Array[]> {
  const consents = consent ? [{ consent }] : await api.consents();
  const jobs: Uint8Array[] = [];
  for (const { consent: id } of consents) {
    const done = (await api.jobs(id)).filter(({ state }) => state === 'done');
    jobs.push(...done.slice(-last).map(({ job }) => job));
  }
  return jobs;
}

async function showResults(options: ResultOptions): Promise<void> {
  const { api, user, dir } = await connectUser(options);
  const devices = await loadDevices(dir);
  const openReply = folderOpener(dir, user.identity);
  const rows: BeatRow[] = [];
  for (const job of await newestDone(api, options)) {
    const result = await fetchResults(api, user, job, openReply);
    rows.push(...(await beatRows(api, devices, result, options.alertMargin)));
  }
  rows.sort((x, y) => (x.time ?? '').localeCompare(y.time ?? ''));
  const alerts = rows.filter(({ alert }) => alert).length;
  print(options.json, { heartbeats: rows }, [
    ROW_HEADING,
    ...rows.map(formatRow),
    `${counted(rows.length, 'heartbeat', 'heartbeats')}, ${counted(alerts, 'alert', 'alerts')}`,
  ]);
}

async function follow(options: ResultOptions): Promise<void> {
  const { alertMargin, json, consent } = options;
  const mqttUrl = await brokerOf(options);
  const { api, user, dir } = await connectUser(options);
  const signal = untilInterrupted();
  const show = async (result: JobResult) => {
    if (consent !== undefined && toHex(consent) !== toHex(result.consent)) return;
    // Read again each time: devices are added while this runs.
    for (const row of await beatRows(api, await loadDevices(dir), result, alertMargin)) {
      if (json) printJson(row);
      else printLine(formatRow(row));
    }
  };
  const watcher = new JobWatcher({
    api,
    user,
    mqttUrl,
    seen: await SeenJobs.open(path.join(dir, FOLLOWED_FILE)),
    openReply: folderOpener(dir, user.identity),
    onResult: show,
    onError: (error) => {
      if (signal.aborted) return;
      note(error instanceof MozaikError ? `${error.code}: ${error.detail ?? ''}` : String(error));
    },
  });
  if (!json) printLine(ROW_HEADING);
  await watcher.start();
  await aborted(signal);
  await watcher.close();
}
