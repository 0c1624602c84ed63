/**
 * Runs the device suite on the XS engine with the Moddable module, each part in a worker of its own, and
 * holds the engine's deterministic meter against ceilings. Ends with code 1 when anything fails.
 */
import '@endo/init/legacy.js';
import { spawn } from 'node:child_process';
import * as fs from 'node:fs/promises';
import * as os from 'node:os';
import { fileURLToPath } from 'node:url';
import { xsnap } from '@agoric/xsnap';

const folder = fileURLToPath(new URL('../dist/xs/', import.meta.url));
const scripts = JSON.parse(await fs.readFile(`${folder}scripts.json`, 'utf8'));

/** What one call may cost at most, in units of the meter. */
const CEILINGS = {
  'encrypt 187 bytes': 45_000,
  'segment, one sample': 1_500,
  'describe a beat': 50_000,
};

const PLATFORM = `globalThis.platform = {
  'embedded:storage/key-value': undefined,
  timer: undefined,
};`;

async function withWorker(name, work) {
  const worker = await xsnap({
    os: os.type(),
    spawn,
    fs,
    name,
    meteringLimit: 0,
    handleCommand: async () => new Uint8Array(),
  });
  try {
    await worker.evaluate(PLATFORM);
    await worker.evaluate(scripts.module);
    return await work(worker);
  } finally {
    await worker.terminate().catch(() => undefined);
  }
}

const compute = async (worker, code) => (await worker.evaluate(code)).meterUsage.compute;

async function runPart(name, part) {
  await withWorker(name, async (worker) => {
    await worker.evaluate(scripts.suite);
    await worker.evaluate(`runPart(${part}, ${JSON.stringify(scripts.data)});`);
  });
}

/** What `code` costs beyond an evaluation of nothing, after `before` has prepared it. */
async function measure(before, code) {
  return withWorker('meter', async (worker) => {
    await worker.evaluate(before);
    return (await compute(worker, code)) - (await compute(worker, ''));
  });
}

const MEASURED = {
  'encrypt 187 bytes': () =>
    measure(
      `globalThis.cipher = new mozaik.AsconAead128();
       globalThis.key = new Uint8Array(16);
       globalThis.data = new Uint8Array(14);
       globalThis.text = new Uint8Array(187);
       globalThis.out = new Uint8Array(203);`,
      'cipher.encrypt(key, key, data, text, out);',
    ),
  'segment, one sample': async () => {
    const prepare = `globalThis.segmenter = new mozaik.Segmenter({ onBeat() {} });
      globalThis.feed = (from, to) => {
        for (let t = from; t < to; t++) segmenter.push(t % 100 < 3 ? 900 : t % 13, 8 * t);
      };
      feed(0, 500);`;
    return Math.ceil((await measure(prepare, 'feed(500, 1500);')) / 1000);
  },
  // What a hundred peaks cost beyond the same samples without any; every fourth beat is a wide one.
  'describe a beat': async () => {
    const prepare = (peaks) => `globalThis.samples = new Int32Array(16000);
      const hump = (t, at, half, height) => {
        const d = Math.abs(t - at);
        return d < half ? Math.floor((height * (half - d)) / half) : 0;
      };
      for (let t = 0; t < 16000; t++) {
        const p = t % 100;
        const wide = Math.floor(t / 100) % 4 === 3;
        samples[t] = ((t * 7919) % 13) + hump(p, 40, wide ? 18 : 6, 900) + hump(p, 70, 10, 100) +
          (wide ? 0 : hump(p, 19, 7, 40));
      }
      globalThis.segmenter = new mozaik.Segmenter({ detect: false, onBeat() {} });
      globalThis.feed = (from, to) => {
        for (let t = from; t < to; t++) {
          segmenter.push(samples[t], 8 * t);
          if (${peaks} && t % 100 === 52) segmenter.pushPeak(11 + (Math.floor(t / 100) % 3));
        }
      };
      feed(0, 5000);`;
    const [described, pushed] = [
      await measure(prepare(true), 'feed(5000, 15000);'),
      await measure(prepare(false), 'feed(5000, 15000);'),
    ];
    return Math.ceil((described - pushed) / 100);
  },
};

let failed = 0;
const say = (text) => process.stdout.write(`${text}\n`);

say(
  `XS: ${scripts.data.answers.length || 'only 3'} known answers of NIST and the rest of the suite`,
);
for (const [part, name] of scripts.parts.entries()) {
  try {
    await runPart(name, part);
    say(`  passed  ${name}`);
  } catch (error) {
    failed++;
    say(`  FAILED  ${name}: ${error.message}`);
  }
}
const meter = {};
for (const [name, run] of Object.entries(MEASURED)) {
  const used = await run();
  meter[name] = used;
  const within = used <= CEILINGS[name];
  if (!within) failed++;
  say(`  ${within ? 'passed' : 'FAILED'}  ${name}: meter ${used} of ${CEILINGS[name]}`);
}
if (failed === 0) {
  await fs.writeFile(`${folder}passed.json`, JSON.stringify({ hash: scripts.hash, meter }));
}
process.exit(failed === 0 ? 0 : 1);
