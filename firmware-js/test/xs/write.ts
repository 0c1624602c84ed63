/** Writes what `xs/run.js` runs: that process cannot load TypeScript, as it locks its realm down. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { suiteData } from '../suite-data.ts';
import { stampFile, xsScripts } from './scripts.ts';

const folder = path.dirname(stampFile);
mkdirSync(folder, { recursive: true });
rmSync(stampFile, { force: true });
writeFileSync(
  path.join(folder, 'scripts.json'),
  JSON.stringify({ ...(await xsScripts()), data: suiteData() }),
);
