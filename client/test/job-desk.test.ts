/** What every node does with announcements, whatever it computes. */
import { beforeEach, describe, expect, jest, test } from '@jest/globals';
import { MozaikError, type ErrorCode } from '@mozaik/protocol';
import { JobDesk, type JobEvent, type RunningJob } from '../src/job-desk.ts';

const name = (n: number) => n.toString(16).padStart(32, '0');
const announced = (job: unknown) => new TextEncoder().encode(JSON.stringify({ job }));
const settled = () => new Promise((resolve) => setImmediate(resolve));

interface Report {
  samples: number;
}

let started: Map<string, { running: RunningJob; end: (outcome: Report | Error) => void }>;
let runs: string[];
let events: (JobEvent & Partial<Report>)[];
let reported: [string, ErrorCode][];
let reportFailure: (job: string, code: ErrorCode) => Promise<void>;
let revoked: Set<number>;
let desk: JobDesk<Report>;

beforeEach(() => {
  started = new Map();
  runs = [];
  events = [];
  reported = [];
  revoked = new Set();
  reportFailure = (job, code) => Promise.resolve(void reported.push([job, code]));
  desk = new JobDesk<Report>({
    run: (job, running) =>
      new Promise((resolve, reject) => {
        runs.push(job);
        running.abort.signal.addEventListener('abort', () =>
          reject(running.abort.signal.reason as Error),
        );
        const end = (outcome: Report | Error) =>
          outcome instanceof Error ? reject(outcome) : resolve(outcome);
        started.set(job, { running, end });
      }),
    reportFailure: (job, code) => reportFailure(job, code),
    isRevoked: (consent) => revoked.has(consent[0]),
    log: (event, report) => events.push({ ...event, ...report }),
  });
});

describe('an announced job', () => {
  test('runs once, and what is no announcement is ignored', async () => {
    desk.announce(announced(name(1)));
    desk.announce(announced(name(1)));
    for (const job of [7, 'ab', `${name(2)}0`, name(2).replace('0', 'X'), null]) {
      desk.announce(announced(job));
    }
    desk.announce(new TextEncoder().encode('{'));
    expect(runs).toEqual([name(1)]);
    started.get(name(1))!.end({ samples: 3 });
    await settled();
    expect(events).toEqual([{ event: 'job-done', job: name(1), samples: 3 }]);
    desk.announce(announced(name(1)));
    expect(runs).toEqual([name(1)]);
    expect(reported).toEqual([]);
  });

  test('that fails is reported with its code, and nothing of errors that are not ours', async () => {
    for (const n of [1, 2]) desk.announce(announced(name(n)));
    started.get(name(1))!.end(new MozaikError('HOMOMORPHIC_INPUT', 'short'));
    started.get(name(2))!.end(new Error('secret'));
    await settled();
    expect(reported).toEqual([
      [name(1), 'HOMOMORPHIC_INPUT'],
      [name(2), 'INTERNAL'],
    ]);
    expect(events).toEqual([
      { event: 'job-failed', job: name(1), code: 'HOMOMORPHIC_INPUT', detail: 'short' },
      { event: 'job-failed', job: name(2), code: 'INTERNAL' },
    ]);
  });

  test('beyond those that may run at a time is refused, and others are not', async () => {
    for (let n = 0; n < 17; n++) desk.announce(announced(name(n)));
    await settled();
    expect(reported).toEqual([[name(16), 'UNAVAILABLE']]);
    started.get(name(0))!.end({ samples: 1 });
    await settled();
    desk.announce(announced(name(17)));
    expect(started.has(name(17))).toBe(true);
  });

  test('is stopped when its consent is revoked, and those of others go on', async () => {
    for (const n of [1, 2, 3]) desk.announce(announced(name(n)));
    for (const n of [1, 2]) {
      const consent = { hash: Uint8Array.of(n), user: new Uint8Array(16) };
      started.get(name(n))!.running.consent = consent;
    }
    revoked.add(1);
    desk.stopRevoked();
    desk.stopRevoked();
    await settled();
    expect(reported).toEqual([[name(1), 'CONSENT_REVOKED']]);
    expect(events.map(({ event, job }) => [event, job])).toEqual([
      ['revoked', name(1)],
      ['job-failed', name(1)],
    ]);
  });

  test('ends with the node, and nothing is reported then', async () => {
    desk.announce(announced(name(1)));
    desk.close('the server is stopped');
    await settled();
    expect(events).toMatchObject([{ event: 'job-failed', code: 'UNAVAILABLE' }]);
    expect(reported).toEqual([]);
  });

  test('whose report does not arrive is reported again, unless the backend has answered', async () => {
    const attempts = jest.fn<typeof reportFailure>();
    attempts.mockRejectedValueOnce(new MozaikError('UNAVAILABLE'));
    let arrived!: () => void;
    const second = new Promise<void>((resolve) => (arrived = resolve));
    attempts.mockImplementationOnce(() => Promise.resolve(arrived()));
    reportFailure = attempts;
    desk.announce(announced(name(1)));
    started.get(name(1))!.end(new Error());
    await second;
    expect(attempts).toHaveBeenCalledTimes(2);

    attempts.mockRejectedValueOnce(new MozaikError('NOT_FOUND'));
    desk.announce(announced(name(2)));
    started.get(name(2))!.end(new Error());
    await settled();
    expect(attempts).toHaveBeenCalledTimes(3);
  });
});
