/**
 * Memory stays where it is over many requests. MOZAIK_SOAK_REQUESTS says how many; 10,000 take about
 * five minutes.
 */
import { expect, test } from '@jest/globals';
import { createKeys, encryptBeats, openReply } from '../src/client.ts';
import { Evaluator } from '../src/index.ts';
import { randomNetwork, randomWindows } from './support.ts';

const REQUESTS = Number(process.env.MOZAIK_SOAK_REQUESTS ?? 24);
/** Requests before the first measurement: buffers grow to their size, code is compiled. */
const WARM_UP = Math.ceil(REQUESTS / 4);
/** What garbage between two collections may add, bytes. */
const SLACK = 96 << 20;

test(`${REQUESTS} requests leave no memory behind`, async () => {
  const network = randomNetwork(1);
  const [window] = randomWindows(2, 1);
  const evaluator = await Evaluator.open({ timeoutMs: 120_000 });
  try {
    const keys = await createKeys('single');
    const others = await createKeys('batch');
    let before = 0;
    for (let i = 0; i < REQUESTS; i++) {
      if (i === WARM_UP) before = process.memoryUsage.rss();
      const layout = i % 20 === 0 ? 'batch' : 'single';
      const own = layout === 'batch' ? others : keys;
      // The agent's side in a tenth of them: its objects are of the library's heap.
      const isWhole = i % 10 === 0 || i === 1;
      if (isWhole) requests.set(layout, await encryptBeats(layout, own, [window]));
      // Keys of a user who comes anew, now and then.
      const evaluationKeys = i % 50 === 0 ? own.evaluation.slice() : own.evaluation;
      const request = requests.get(layout)!;
      const reply = await evaluator.infer({ layout, network, evaluationKeys, request, beats: 1 });
      if (isWhole) expect(await openReply(layout, own, reply, 1)).toHaveLength(1);
      if (i % 7 === 0) {
        const broken = evaluator.infer({
          ...{ layout, network, evaluationKeys, beats: 1 },
          request: request.slice().fill(0xff, 100),
        });
        await expect(broken).rejects.toThrow('homomorphic');
      }
    }
    const after = process.memoryUsage.rss();
    console.info(`soak: ${before >> 20} MB, after ${REQUESTS} requests ${after >> 20} MB`);
    expect(after - before).toBeLessThan(SLACK);
  } finally {
    await evaluator.close();
  }
}, 3_600_000);

const requests = new Map<string, Uint8Array>();
