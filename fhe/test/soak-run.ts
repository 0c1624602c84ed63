/**
 * Requests one after the other in a process of its own, as a test runner's memory is not of interest.
 * Takes their number and prints a line of JSON: resident memory in MB at each eighth.
 */
import { createKeys, encryptBeats, openReply, type Layout } from '../src/client.ts';
import { Evaluator } from '../src/index.ts';
import { randomNetwork, randomWindows } from './support.ts';

const requests = Number(process.argv[2]);
const network = randomNetwork(1);
const [window] = randomWindows(2, 1);
const keys = { single: await createKeys('single'), batch: await createKeys('batch') };
const encrypted: Record<Layout, Uint8Array> = {
  single: await encryptBeats('single', keys.single, [window]),
  batch: await encryptBeats('batch', keys.batch, [window]),
};
const evaluator = await Evaluator.open({ timeoutMs: 120_000 });
const resident: number[] = [];
for (let i = 0; i < requests; i++) {
  const layout = i % 20 === 0 ? 'batch' : 'single';
  const own = keys[layout];
  // The agent's side in a tenth of them: its objects are of the library's heap.
  const isWhole = i % 10 === 0 || i === 1;
  if (isWhole) encrypted[layout] = await encryptBeats(layout, own, [window]);
  // Keys of a user who comes anew, now and then.
  const evaluationKeys = i % 25 === 1 ? own.evaluation.slice() : own.evaluation;
  const job = { layout, network, evaluationKeys, request: encrypted[layout], beats: 1 } as const;
  const reply = await evaluator.infer(job);
  if (isWhole) await openReply(layout, own, reply, 1);
  if (i % 7 === 0) {
    const request = job.request.slice().fill(0xff, 100);
    const refused = await evaluator.infer({ ...job, request }).catch(() => undefined);
    if (refused) throw new Error('a damaged request was computed');
  }
  if ((i + 1) % Math.floor(requests / 8) === 0) {
    globalThis.gc?.();
    resident.push(Math.round(process.memoryUsage.rss() / 2 ** 20));
  }
}
await evaluator.close();
console.log(JSON.stringify(resident));
