/**
 * `npm run test:espruino`: the suite in a real Espruino interpreter, which `ESPRUINO_BIN` names (a
 * Linux build of 2v29), in a fresh process for each part.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { espruinoScript } from './espruino-script.ts';
import { suiteData } from './suite-data.ts';
import { suite } from './suite/suite.ts';

const PASSED = 'mozaik: passed';
/** A thousand known answers take the interpreter a while. */
const TIMEOUT_MS = 600_000;

function run(interpreter: string, script: string): string | undefined {
  const folder = mkdtempSync(path.join(tmpdir(), 'mozaik-espruino-'));
  const file = path.join(folder, 'suite.js');
  try {
    writeFileSync(file, script);
    const { stdout, error } = spawnSync(interpreter, [file], {
      encoding: 'utf8',
      timeout: TIMEOUT_MS,
    });
    if (error !== undefined) return error.message;
    return stdout.includes(PASSED) ? undefined : stdout.trim().slice(-400) || 'no output';
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const interpreter = process.env.ESPRUINO_BIN;
if (!interpreter) {
  console.log('not run: ESPRUINO_BIN names no Espruino interpreter (a Linux build of 2v29)');
} else {
  const script = await espruinoScript();
  const data = JSON.stringify(suiteData());
  for (const [part, { name }] of suite.entries()) {
    const call =
      `try { runSuitePart(${part}, ${data}); print(${JSON.stringify(PASSED)}); } ` +
      `catch (e) { print("failed: " + e); }\n`;
    const failure = run(interpreter, script.modules + script.suite + call);
    console.log(failure === undefined ? `passed  ${name}` : `FAILED  ${name}: ${failure}`);
    if (failure !== undefined) process.exitCode = 1;
  }
}
