/**
 * `npm run test:espruino`: the suite in a real Espruino interpreter, which `ESPRUINO_BIN` names (a
 * Linux build of 2v29), in a fresh process for each part.
 */
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { espruinoScript } from './espruino-script.ts';
import { suiteData } from './suite-data.ts';
import { suite } from './suite/suite.ts';

/** A thousand known answers take the interpreter a while. */
const TIMEOUT_MS = 600_000;

function run(interpreter: string, script: string, token: string): string | undefined {
  const folder = mkdtempSync(path.join(tmpdir(), 'mozaik-espruino-'));
  const file = path.join(folder, 'suite.js');
  try {
    writeFileSync(file, script);
    const { stdout, error } = spawnSync(interpreter, [file], {
      encoding: 'utf8',
      timeout: TIMEOUT_MS,
    });
    if (error !== undefined) return error.message;
    return stdout.includes(token) ? undefined : stdout.trim().slice(-400) || 'no output';
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
    // A product that does not stand in the script: only what has run it can print it.
    const [a, b] = [randomInt(1e6, 1e7), randomInt(1e6, 1e7)];
    const call =
      `try { runSuitePart(${part}, ${data}); print("passed " + ${a} * ${b}); } ` +
      `catch (e) { print("failed: " + e); }\n`;
    const failure = run(interpreter, script.modules + script.suite + call, `passed ${a * b}`);
    console.log(failure === undefined ? `passed  ${name}` : `FAILED  ${name}: ${failure}`);
    if (failure !== undefined) process.exitCode = 1;
  }
}
