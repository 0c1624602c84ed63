/** A backend in this process and fleets on it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startBackend, type Backend } from '@mozaik/backend';
import { seededRandom } from '../../src/ecg/random.ts';
import { runFleet, type FleetOptions, type FleetReport } from '../../src/simulate/fleet.ts';
import { brokerAddress, localMembers } from '../../src/simulate/members.ts';
import { BEAT_SAMPLES } from '@mozaik/protocol';

export const AUDIENCE = 'simulation-test';

/** Distinct windows; what they show does not matter here. */
export function someWindows(count: number): Uint8Array[] {
  const random = seededRandom(7);
  return Array.from({ length: count }, () =>
    Uint8Array.from({ length: BEAT_SAMPLES }, () => random.below(256)),
  );
}

/** Runs `work` with a fresh folder that is removed afterwards. */
export async function withFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(path.join(tmpdir(), 'mozaik-simulate-test-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Runs `work` with a backend in this process. */
export function withBackend<T>(work: (backend: Backend, folder: string) => Promise<T>): Promise<T> {
  return withFolder(async (folder) => {
    const dataDir = path.join(folder, 'backend');
    const backend = await startBackend({ dataDir, audience: AUDIENCE, logLevel: 'silent' });
    try {
      return await work(backend, folder);
    } finally {
      await backend.close();
    }
  });
}

/** A fleet of new boards on a backend. */
export function fleetOn(
  { httpUrl, mqttUrl }: Pick<Backend, 'httpUrl' | 'mqttUrl'>,
  boards: number,
  options: Partial<FleetOptions>,
): Promise<FleetReport> {
  return runFleet({
    broker: brokerAddress(mqttUrl),
    members: localMembers({ url: httpUrl, audience: AUDIENCE }, boards),
    windows: someWindows(64),
    ...{ beatsPerBoard: 40, rate: 20, faults: {}, seed: 1 },
    ...options,
  });
}

/** What became of all heartbeats; equals `beats` when none was lost sight of. */
export const settled = (report: FleetReport): number =>
  report.missed +
  report.refused +
  report.acknowledged +
  report.rejected +
  report.lost +
  report.pending;

export const NO_VIOLATIONS: FleetReport['violations'] = {
  ...{ missing: 0, foreign: 0, repeated: 0, wrong: 0, forged: 0, nonceRepeats: 0, stuck: 0 },
};
