/**
 * Memory stays where it is over many requests. MOZAIK_SOAK_REQUESTS says how many; 10,000 take about
 * ten minutes.
 */
import { expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const REQUESTS = Number(process.env.MOZAIK_SOAK_REQUESTS ?? 40);
/**
 * What may be added between the first quarter and the end, MB. A short run is still filling the places for the
 * keys of four users; in a long one that is long over.
 */
const SLACK_MB = REQUESTS < 1000 ? 96 : 32;

test(`${REQUESTS} requests leave no memory behind`, async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...['--expose-gc', '--import', 'tsx'],
    fileURLToPath(new URL('./soak-run.ts', import.meta.url)),
    String(REQUESTS),
  ]);
  const resident = JSON.parse(stdout) as number[];
  console.info(`soak of ${REQUESTS} requests, MB at each eighth: ${resident.join(' ')}`);
  expect(resident).toHaveLength(8);
  expect(resident[7] - resident[1]).toBeLessThan(SLACK_MB);
}, 3_600_000);
