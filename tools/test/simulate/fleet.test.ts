import { beforeAll, describe, expect, test } from '@jest/globals';
import { FAULTS, type Fault, type Faults } from '../../src/simulate/faults.ts';
import type { FleetReport } from '../../src/simulate/fleet.ts';
import { fleetOn, NO_VIOLATIONS, settled, withBackend } from './support.ts';

const BOARDS = 8;
const BEATS = 30;
const FLEETS_AT_A_TIME = 3;
/** It takes seconds; much longer only when several heartbeats of one board are disputed in a row. */
const PATIENCE_MS = 300_000;
const ALONE: Record<Fault, number> = {
  ...{ drop: 0.025, delay: 0.1, duplicate: 0.1, reorder: 0.2, corrupt: 0.06 },
  ...{ reboot: 0.1, 'power-cut': 0.15 },
};
const ALL: Faults = {
  ...{ drop: 0.01, delay: 0.1, duplicate: 0.1, reorder: 0.2, corrupt: 0.03 },
  ...{ reboot: 0.02, 'power-cut': 0.03 },
};

/** Whether a run shows that its fault happened. */
const HAPPENED: Record<Fault, (report: FleetReport) => boolean> = {
  drop: ({ link, reconnects }) => link.drops > 0 && reconnects > 0 && link.resent > 0,
  delay: ({ link }) => link.delays > 0,
  duplicate: ({ link }) => link.duplicates > 0,
  reorder: ({ link }) => link.reorders > 0,
  corrupt: ({ link, findings }) => link.corruptions > 0 && findings.corrupted > 0,
  reboot: ({ reboots }) => reboots > 0,
  'power-cut': ({ powerCuts, tornWrites, lost }) => powerCuts > 0 && tornWrites > 0 && lost > 0,
};
/** Faults after which each heartbeat is acknowledged and stored as it was. */
const HARMLESS: Fault[] = ['delay', 'duplicate', 'reorder'];

describe('a fleet', () => {
  const reports = new Map<string, FleetReport>();

  beforeAll(async () => {
    const runs: [string, Faults][] = [['none', {}]];
    for (const [fault, p] of Object.entries(ALONE)) runs.push([fault, { [fault]: p }]);
    runs.push(['all', ALL]);
    await withBackend(async (backend) => {
      // The boards' time does not wait for a busy process: few fleets at a time.
      for (let n = 0; n < runs.length; n += FLEETS_AT_A_TIME) {
        await Promise.all(
          runs.slice(n, n + FLEETS_AT_A_TIME).map(async ([name, faults]) => {
            const options = { beatsPerBoard: BEATS, faults, skewMs: 86_400_000, driftPpm: 500 };
            reports.set(name, await fleetOn(backend, BOARDS, options));
          }),
        );
      }
    });
  }, PATIENCE_MS);

  test.each(['none', ...Object.keys(FAULTS), 'all'])('fault: %s', (name) => {
    const report = reports.get(name)!;
    expect(report.violations).toEqual(NO_VIOLATIONS);
    expect(report.holds).toBe(true);
    expect(report.beats).toBeGreaterThanOrEqual(BOARDS * BEATS);
    expect(settled(report)).toBe(report.beats);
    const { acknowledged, findings } = report;
    expect(findings.intact + findings.corruptedAcknowledged).toBeGreaterThanOrEqual(acknowledged);
    if (name in FAULTS) expect(HAPPENED[name as Fault](report)).toBe(true);
    if (name === 'none' || HARMLESS.includes(name as Fault)) {
      expect([acknowledged, findings.intact]).toEqual([report.beats, report.beats]);
    }
    if (name !== 'corrupt' && name !== 'all') expect(findings.corrupted).toBe(0);
  });
});

test('a queue that is restored from an old snapshot repeats samples, and the store keeps one', () =>
  withBackend(async (backend) => {
    const faults = { 'power-cut': 0.1 };
    const report = await fleetOn(backend, BOARDS, { faults, snapshotBeats: 3 });
    expect(report.violations).toEqual(NO_VIOLATIONS);
    expect(report.link.resent).toBeGreaterThan(0);
  }));

test('a broker that is not there is a violation, not a success', () =>
  withBackend(async (backend) => {
    const mqttUrl = 'mqtt://127.0.0.1:9';
    const options = { beatsPerBoard: 4, patienceMs: 200 };
    const report = await fleetOn({ ...backend, mqttUrl }, 2, options);
    expect(report).toMatchObject({ acknowledged: 0, pending: 8, holds: false });
    expect(report.violations).toEqual({ ...NO_VIOLATIONS, stuck: 8 });
  }));
