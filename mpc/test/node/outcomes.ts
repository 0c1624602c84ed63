/** Small helpers of the party node's tests. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll } from '@jest/globals';
import { MozaikError } from '@mozaik/protocol';

export { sleep };

/** The code of the MozaikError that `run` ends with, or `done`; any other error fails the test. */
export async function codeOf(run: () => unknown): Promise<string> {
  try {
    await run();
    return 'done';
  } catch (error) {
    if (error instanceof MozaikError) return error.code;
    throw error;
  }
}

/** Waits until `condition` holds; after `timeoutMs` the test fails with `what`. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string | (() => string),
  timeoutMs = 15_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) {
      throw new Error(`waited in vain: ${typeof what === 'string' ? what : what()}`);
    }
    await sleep(10);
  }
}

/** How long `run` takes, ms. */
export async function timed(run: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await run();
  return performance.now() - started;
}

const folders: string[] = [];

/** A fresh folder, removed after the tests of the file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'mozaik-party-'));
  folders.push(folder);
  return folder;
}

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});
