/**
 * The maliciously secure analysis against a cheating party. Windows are shorter than a heartbeat, so that
 * a run of all steps takes milliseconds and thousands can be attacked. MOZAIK_TEST_SEED repeats a run.
 */
import { beforeAll, describe, expect, jest, test } from '@jest/globals';
import { randomInt } from 'node:crypto';

const WINDOW = 16;
const protocol = await import('@mozaik/protocol');
jest.unstable_mockModule('@mozaik/protocol', () => ({ ...protocol, BEAT_SAMPLES: WINDOW }));
const { DEFEATS, Siege } = await import('./support/siege.ts');
const { SILENT_SORTS, SORTS } = await import('./support/manipulations.ts');
const { Transcript } = await import('../src/engine/transcript.ts');
const { Verification } = await import('../src/engine/verification.ts');
type Siege = Awaited<ReturnType<typeof Siege.begin>>;
type Report = Awaited<ReturnType<Siege['manipulate']>>;

const SEED = Number(process.env.MOZAIK_TEST_SEED ?? randomInt(2 ** 32));
const ATTACKS_PER_KIND = 204;
const LIES = 204;
/** So many attacks on a kind without a wrong result mean that the kit does not bite. */
const BITES_MAX = 60;
const TIMEOUT_MS = 120_000;

/** All kinds of messages whose alteration can change a value of the analysis. */
const VALUE_KINDS = [
  'mask advice',
  'Ascon round',
  'tag permutation',
  'tag tree',
  'conversion gates',
  'conversion reveal',
  'dense reshare',
  'ReLU advice',
  'ReLU gates',
  'ReLU masking gates',
  'ReLU reveal',
  'arg-max advice',
  'arg-max bits',
  'arg-max and margin gates',
  'margin masking gates',
  'margin reveal',
];
/** Those that only serve the checks. */
const CHECK_KINDS = [
  'coin commitment',
  'coin reveal',
  'dense-check reshare',
  'dense-check coin',
  'dense-check opening',
  'gate-proof values',
  'gate-proof coin',
  'gate-proof opening',
  'comparison of openings',
  'comparison of residues',
];
const KINDS = ['session seed', ...VALUE_KINDS, ...CHECK_KINDS, 'tag opening', 'tag comparison'];

/** Makes `count` attacks, which all have to fail; returns how many came to which verdict. */
async function expectNoDefeat(
  name: string,
  count: number,
  attack: (n: number) => Promise<Report>,
): Promise<Record<string, number>> {
  const verdicts: Record<string, number> = {};
  for (let n = 0; n < count; n++) {
    const report = await attack(n);
    expect(DEFEATS.includes(report.verdict) ? report : 'no defeat').toBe('no defeat');
    const key = [report.verdict, ...report.codes].join(' ');
    verdicts[key] = (verdicts[key] ?? 0) + 1;
  }
  if (process.env.MOZAIK_ATTACK_REPORT) console.log(name, verdicts);
  return verdicts;
}

const stopped = (verdicts: Record<string, number>): number =>
  Object.keys(verdicts).reduce(
    (sum, key) => sum + (key.includes('aborted') ? verdicts[key] : 0),
    0,
  );

describe(`a cheating party, seed ${SEED}`, () => {
  let siege: Siege;
  beforeAll(async () => {
    siege = await Siege.begin(SEED);
  });

  test('every kind of message is known, and honest parties get the result of the twin', () => {
    expect(siege.isSound).toBe(true);
    expect([...siege.kinds].sort()).toEqual([...KINDS].sort());
  });

  test.each(KINDS)(
    'altered: %s',
    async (kind) => {
      const verdicts = await expectNoDefeat(kind, ATTACKS_PER_KIND, (n) =>
        siege.manipulate(kind, SORTS[n % SORTS.length], n),
      );
      expect(stopped(verdicts)).toBeGreaterThan(ATTACKS_PER_KIND / 2);
    },
    TIMEOUT_MS,
  );

  test(
    'lies about keys and models',
    async () => {
      const verdicts = await expectNoDefeat('inputs', LIES, (n) => siege.lieAboutInputs(n));
      expect(stopped(verdicts)).toBeGreaterThan(LIES / 2);
    },
    TIMEOUT_MS,
  );

  test(
    'lies in memory',
    async () => {
      const verdicts = await expectNoDefeat('memory', LIES, (n) => siege.lieInMemory(n));
      expect(stopped(verdicts)).toBeGreaterThan(0);
    },
    TIMEOUT_MS,
  );
});

describe(`the same attacks on a protocol that verifies nothing, seed ${SEED}`, () => {
  let siege: Siege;
  beforeAll(async () => {
    jest.spyOn(Verification.prototype, 'complete').mockResolvedValue();
    jest.spyOn(Transcript.prototype, 'compare').mockResolvedValue();
    siege = await Siege.begin(SEED);
  });

  /** Attacks until one has this verdict. */
  async function expectVerdict(
    verdict: Report['verdict'],
    attack: (n: number) => Promise<Report>,
  ): Promise<void> {
    const verdicts = new Set<string>();
    for (let n = 0; n < BITES_MAX && !verdicts.has(verdict); n++) {
      verdicts.add((await attack(n)).verdict);
    }
    expect([...verdicts]).toContain(verdict);
  }

  test('no other kinds are left than those that change a value', () => {
    expect(siege.isSound).toBe(true);
    expect([...siege.kinds].sort()).toEqual(
      KINDS.filter((kind) => !CHECK_KINDS.includes(kind) && kind !== 'tag comparison').sort(),
    );
  });

  test.each(['session seed', ...VALUE_KINDS, 'tag opening'])(
    'wrong results are noticed: %s',
    (kind) =>
      expectVerdict('wrong', (n) =>
        siege.manipulate(kind, SILENT_SORTS[n % SILENT_SORTS.length], n),
      ),
  );

  test('wrong results are noticed: lies', async () => {
    await expectVerdict('wrong', (n) => siege.lieAboutInputs(n));
    await expectVerdict('wrong', (n) => siege.lieInMemory(n));
  });
});
