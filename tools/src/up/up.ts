/** A local stack that stays up, with simulated boards and their user, until it is told to end. */
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { JobWatcher, SeenJobs } from '@mozaik/client';
import { MozaikError, toHex } from '@mozaik/protocol';
import { openHousehold, type Household, openBoards } from '../stack/household.ts';
import { stackSettings } from '../stack/settings.ts';
import type { Stack } from '../stack/stack.ts';
import { checkPorts } from './addresses.ts';
import { endlessWindows, recordedWindows, runBoard } from './boards.ts';
import { activeConsents, consentKeeper } from './consents.ts';
import { aborted, untilInterrupted } from './interrupt.ts';
import { lockFolder } from './lock.ts';
import { beatRows, type BeatRow } from './results.ts';
import { Supervisor } from './supervisor.ts';

export interface UpOptions {
  /** Folder that keeps all state. */
  dataDir: string;
  boards: number;
  /** Heartbeats per second and board. */
  rate: number;
  /** Record that the boards replay in a loop; without it beats are synthesised. */
  recording?: { dir: string; name: string };
  onEvent: (event: UpEvent) => void;
}

export interface UpReady {
  httpUrl: string;
  docsUrl: string;
  mqttUrl: string;
  dataDir: string;
  user: string;
  model: string;
}

/** What there is to show. */
export type UpEvent =
  | ({ event: 'ready' } & UpReady)
  | { event: 'message'; text: string }
  | ({ event: 'result' } & BeatRow);

/** After a Ctrl-C, boards and user have this long to finish what they do, ms; then the stack stops. */
const GRACE_MS = 3_000;
/** How long a micro-batch waits: it bounds the number of jobs where beats come one by one. */
const MICRO_BATCH_MS = 1_000;

/**
 * Runs until the process is interrupted. Started again on the same folder it goes on where it was.
 *
 * @throws MozaikError CONFLICT when the folder is in use, UNAVAILABLE when the stack does not start
 */
export async function runUp(options: UpOptions): Promise<void> {
  const { dataDir, recording, onEvent } = options;
  const recorded = recording && (await recordedWindows(recording.dir, recording.name));
  let supervisor: Supervisor | undefined;
  const signal = untilInterrupted(() => supervisor?.kill());
  const say = (text: string) => onEvent({ event: 'message', text });
  const release = await lockFolder(dataDir);
  let working: Promise<void> | undefined;
  try {
    await checkPorts(await stackSettings(dataDir));
    say('starting the broker with its store, and three parties');
    const jobs = { microBatchDelayMs: MICRO_BATCH_MS };
    supervisor = await Supervisor.start({ dataDir, jobs, signal }, say);
    working = work(supervisor.stack, options, recorded, signal);
    const grace = aborted(signal).then(() => sleep(GRACE_MS, undefined, { ref: false }));
    await Promise.race([working, grace]);
  } catch (error) {
    // A start that a Ctrl-C ended is no failure.
    if (!signal.aborted) throw error;
  } finally {
    say('stopping');
    await supervisor?.stop();
    // What still waited for an answer has none now, and ends.
    await working?.catch(() => undefined);
    await release();
  }
}

async function work(
  stack: Stack,
  options: UpOptions,
  recorded: Uint8Array[] | undefined,
  signal: AbortSignal,
): Promise<void> {
  const household = await openHousehold(stack, options.dataDir);
  if (!signal.aborted) await runHousehold(stack, household, options, recorded, signal);
}

async function runHousehold(
  { httpUrl, mqttUrl }: Stack,
  household: Household,
  { dataDir, boards: count, rate, onEvent }: UpOptions,
  recorded: Uint8Array[] | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { api, user, userDir, modelHash } = household;
  const say = (text: string) => onEvent({ event: 'message', text });
  const boards = await openBoards(userDir, count);
  const watcher = new JobWatcher({
    api,
    user,
    mqttUrl,
    seen: await SeenJobs.open(path.join(userDir, 'seen.json')),
    onResult: async (result) => {
      const rows = await beatRows(api, boards, result, 0);
      for (const row of rows) onEvent({ event: 'result', ...row });
    },
    onError: (error) => {
      if (signal.aborted) return;
      say(error instanceof MozaikError ? `${error.code}: ${error.detail ?? ''}` : String(error));
    },
  });
  onEvent({
    event: 'ready',
    httpUrl,
    docsUrl: `${httpUrl}/docs`,
    mqttUrl,
    dataDir: path.resolve(dataDir),
    user: toHex(user.identity.id),
    model: toHex(modelHash),
  });
  await watcher.start();
  // A board that cannot go on ends the others too.
  const failing = new AbortController();
  const ending = AbortSignal.any([signal, failing.signal]);
  const running: Promise<void>[] = [];
  try {
    const active = await activeConsents(household);
    boards.forEach((device, n) => {
      // Each begins somewhere else in the record.
      const first = Math.floor(((recorded?.length ?? 0) * n) / count);
      running.push(
        runBoard({
          household,
          device,
          consent: consentKeeper(household, device, active),
          mqttUrl,
          ledgers: path.join(dataDir, 'boards'),
          rate,
          windows: endlessWindows(recorded, first),
          say,
          signal: ending,
        }),
      );
    });
    await Promise.all([aborted(signal), ...running]);
  } finally {
    failing.abort();
    await Promise.allSettled(running);
    await watcher.close();
  }
}
