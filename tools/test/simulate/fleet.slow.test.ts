import path from 'node:path';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import type { BackendOptions } from '@mozaik/backend';
import { startLocalBackend } from '../../src/simulate/local.ts';
import { AUDIENCE, fleetOn, NO_VIOLATIONS, settled, withFolder } from './support.ts';

const KILLS = 4;
/** On a busy machine; else each takes half a minute. */
const PATIENCE_MS = 180_000;

test(
  'two hundred boards with every fault at once',
  () =>
    withFolder(async (dataDir) => {
      const { service, ...backend } = await startLocalBackend({ dataDir, audience: AUDIENCE });
      try {
        const report = await fleetOn(backend, 200, {
          beatsPerBoard: 48,
          rate: 6,
          skewMs: 3_600_000,
          driftPpm: 200,
          faults: {
            ...{ drop: 0.02, delay: 0.05, duplicate: 0.05, reorder: 0.1, corrupt: 0.02 },
            ...{ reboot: 0.01, 'power-cut': 0.02 },
          },
        });
        expect(report.violations).toEqual(NO_VIOLATIONS);
        expect(settled(report)).toBe(report.beats);
        expect(report.acknowledged).toBeGreaterThan(5000);
        expect(report.powerCuts).toBeGreaterThan(100);
        expect(report.tornWrites).toBeGreaterThan(20);
      } finally {
        await service.stop();
      }
    }),
  PATIENCE_MS,
);

test(
  'a backend that is killed again and again loses no acknowledged heartbeat',
  () =>
    withFolder(async (folder) => {
      const start = (ports: Partial<BackendOptions>) =>
        startLocalBackend({ dataDir: path.join(folder, 'data'), audience: AUDIENCE, ...ports });
      let backend = await start({});
      const ports = {
        httpPort: Number(new URL(backend.httpUrl).port),
        mqttPort: Number(new URL(backend.mqttUrl).port),
      };
      try {
        const acknowledgedAt: number[] = [];
        let acknowledged = 0;
        const running = fleetOn(backend, 60, {
          beatsPerBoard: 200,
          rate: 10,
          capacity: 256,
          faults: { drop: 0.002, delay: 0.01 },
          onProgress: (progress) => (acknowledged = progress.acknowledged),
        });
        for (let kill = 0; kill < KILLS; kill++) {
          await sleep(2500 + 300 * kill);
          acknowledgedAt.push(acknowledged);
          const ended = once(backend.service.process, 'exit');
          backend.service.process.kill('SIGKILL');
          await ended;
          backend = await start(ports);
        }
        const report = await running;
        expect(report.violations).toEqual(NO_VIOLATIONS);
        expect(settled(report)).toBe(report.beats);
        // Killed while it was at work: it went on between the kills, and things had to be sent again.
        expect(acknowledgedAt).toEqual([...new Set(acknowledgedAt)]);
        expect(report.link.resent).toBeGreaterThan(0);
        expect(report.reconnects).toBeGreaterThan(60 * KILLS - 60);
        expect(report.acknowledged + report.rejected + report.refused).toBe(report.beats);
      } finally {
        await backend.service.stop();
      }
    }),
  PATIENCE_MS,
);
