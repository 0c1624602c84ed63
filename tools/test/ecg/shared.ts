/** The optional recordings that some tests read, outside the project. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const repoRoot = fileURLToPath(new URL('../../../', import.meta.url));
const dir = resolve(repoRoot, process.env.MOZAIK_SHARED ?? '../shared', 'data/mitdb');

/** Folder of MIT-BIH records, or undefined (said on the console) when it is not there. */
export function recordings(): string | undefined {
  if (existsSync(dir)) return dir;
  console.warn(`skipped: no recordings in ${dir}`);
  return undefined;
}
