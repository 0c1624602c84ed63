/** How the start of a service ends when it is not wanted any more. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startService, type Service } from '../../src/stack/service.ts';

/** Says that it runs, and then that it is ready, or never. */
const SOURCE = `
process.once('SIGTERM', () => process.exit(7));
process.once('disconnect', () => process.exit(0));
console.log(JSON.stringify({ running: true }));
if (process.env.READY) console.log(JSON.stringify({ ready: true }));
`;
let folder: string;
let entry: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'mozaik-service-'));
  const file = path.join(folder, 'entry.ts');
  writeFileSync(file, SOURCE);
  entry = pathToFileURL(file).href;
});
afterAll(() => rmSync(folder, { recursive: true }));

function start(signal: AbortSignal, ready: boolean, onRunning = () => {}): Promise<Service> {
  return startService({
    ...{ name: 'toy', entry, signal, onLine: onRunning },
    env: ready ? { READY: '1' } : {},
    isReady: (line) => line.ready === true,
  });
}

test('a start that is given up is not waited for', async () => {
  const ending = new AbortController();
  // Else it would have said only after its time that it was not ready.
  await expect(start(ending.signal, false, () => ending.abort())).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    detail: expect.stringMatching(/^toy ended with /),
  });
  await expect(start(ending.signal, true)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});

test('what is ready is ended by its own stop alone', async () => {
  const ending = new AbortController();
  const service = await start(ending.signal, true);
  ending.abort();
  // It would be asked to end at once.
  expect(service.process.killed).toBe(false);
  await service.stop();
  expect(service.process.exitCode).toBe(7);
});
