/**
 * Malicious with abort, 1 of 3 corrupted: AND gates checked by random triples after the fact. Each gate
 * is compared with one triple of each of B arrays that a coin, tossed when all are fixed, has permuted
 * (Furukawa et al., EUROCRYPT 2017; Araki et al., "Optimized Honest-Majority MPC for Malicious
 * Adversaries", S&P 2017, whose pages these are). Per gate and party: B bits for the triples, 2 B bits
 * here.
 *
 * A cheat passes with probability at most 2^-40. With n pages of 512 units a cheat in one array must
 * hit the same units as in the gates: the coin maps pages to pages and units within each page. If k >= 1
 * pages of gates are bad, they meet the k bad pages of an array with probability 1 / C(n, k), and each
 * then matches inside with at most 1 / 528: choosing its bad units among 528, 16 of which are opened, is
 * at best choosing one. The largest of these is k = 1: 1 / (528 n). So B is the least number with
 * (512 n)^B >= 2^40.
 */
import { MozaikError } from '@mozaik/protocol';
import { sumCosts, type Cost } from './binary.ts';
import { Generator } from './generator.ts';
import { PAGE_BYTES, PAGE_UNITS, type GateLog } from './gate-log.ts';
import type { Session } from './session.ts';
import { BlockHash, type Transcript } from './transcript.ts';
import {
  makeTriples,
  OPENED_BYTES,
  OPENED_UNITS,
  TRIPLE_PAGE_BYTES,
  TRIPLE_PAGE_UNITS,
  triplesCost,
  type Triples,
} from './triples.ts';

const SECURITY_BITS = 40;
/** Fewer pages are padded: four arrays are then enough. */
export const PAGES_MIN = 2;
/** Comparisons of a page with a page in one message: bounds the buffers. */
const ITEMS_PER_MESSAGE = 128;
/** Masked operands, and the three values of each opened triple. */
const ITEM_BYTES = 2 * PAGE_BYTES + 3 * OPENED_BYTES;
const ORDER_BYTES = 2 * TRIPLE_PAGE_UNITS;
const WORD_BYTES = 4;

/** Arrays of triples that gates of so many pages need. */
export const arrayCount = (pages: number): number =>
  Math.ceil(SECURITY_BITS / Math.log2(pages * PAGE_UNITS));

export const gateTriplesCost = (pages: number): Required<Cost> =>
  sumCosts(...Array.from({ length: arrayCount(pages) }, () => triplesCost(pages)));

export function checkGatesCost(pages: number): Cost {
  const items = pages * arrayCount(pages);
  return { rounds: Math.ceil(items / ITEMS_PER_MESSAGE), bytes: items * ITEM_BYTES };
}

/** Needs no input: made ahead. */
export async function makeGateTriples(session: Session, pages: number): Promise<Triples[]> {
  const arrays: Triples[] = [];
  for (let n = 0; n < arrayCount(pages); n++) arrays.push(await makeTriples(session, pages));
  return arrays;
}

/** A page of gates and the page of triples that it meets. */
interface Item {
  page: number;
  triples: Triples;
  triplePage: number;
}

/**
 * Opens masked operands and notes in `residues` what must be a sharing of zero. What is opened goes into
 * `opened`, which must be compared before `residues`: a wrong opening would let residues tell of triples.
 *
 * @param coin public and tossed when all gates and triples are fixed
 * @throws MozaikError PEER_CHEATED when an opened triple is wrong
 */
export async function checkGates(
  session: Session,
  log: GateLog,
  arrays: Triples[],
  coin: Uint8Array,
  opened: Transcript,
  residues: Transcript,
): Promise<void> {
  const { memory } = session;
  const start = memory.mark();
  const blocks = new BlockHash(session);
  const generator = new Generator(memory, coin, 0);
  const items = arrays.flatMap((triples) =>
    permutedPages(session, generator, log.pages).map((triplePage, page): Item => {
      return { page, triples, triplePage };
    }),
  );
  for (let done = 0; done < items.length; done += ITEMS_PER_MESSAGE) {
    const mark = memory.mark();
    const group = items.slice(done, done + ITEMS_PER_MESSAGE);
    await checkItems(session, log, generator, group, blocks, opened, residues);
    memory.release(mark);
  }
  memory.release(start);
}

/** A uniform permutation of the pages (Fisher and Yates). */
function permutedPages(session: Session, generator: Generator, pages: number): number[] {
  const mark = session.memory.mark();
  const random = session.memory.words(generator.take(pages * WORD_BYTES), pages);
  const order: number[] = [];
  random.forEach((word, i) => {
    const j = Math.floor((word * (i + 1)) / 2 ** 32);
    order.push(order[j] ?? i);
    order[j] = i;
  });
  session.memory.release(mark);
  return order;
}

async function checkItems(
  session: Session,
  log: GateLog,
  generator: Generator,
  items: Item[],
  blocks: BlockHash,
  opened: Transcript,
  residues: Transcript,
): Promise<void> {
  const { memory, kernels, constantMask } = session;
  const orders = memory.allocate(items.length * ORDER_BYTES);
  const total = items.length * ITEM_BYTES;
  const own = memory.allocate(total);
  const next = memory.allocate(total);
  const missing = memory.allocate(total);
  items.forEach((item, n) => {
    const order = orders + n * ORDER_BYTES;
    const random = generator.take(TRIPLE_PAGE_UNITS * WORD_BYTES);
    kernels.permutation(random, TRIPLE_PAGE_UNITS, order);
    maskItem(session, log, item, order, own + n * ITEM_BYTES, next + n * ITEM_BYTES);
  });
  await session.exchange('next', own, total, missing);
  kernels.xorBytes(own, next, own, total);
  kernels.xorBytes(own, missing, own, total);

  const [nextResidue, thirdResidue] = [memory.allocate(PAGE_BYTES), memory.allocate(PAGE_BYTES)];
  items.forEach(({ page, triples, triplePage }, n) => {
    const sigma = own + n * ITEM_BYTES;
    const rho = sigma + PAGE_BYTES;
    const picked = rho + PAGE_BYTES;
    opened.add('previous', blocks.hash('previous', sigma, ITEM_BYTES));
    opened.add('next', blocks.hash('next', sigma, ITEM_BYTES));
    if (
      !kernels.isProduct(picked, picked + OPENED_BYTES, picked + 2 * OPENED_BYTES, OPENED_UNITS)
    ) {
      throw new MozaikError('PEER_CHEATED', 'a triple that was opened is wrong');
    }
    const { a, b, c } = triples;
    const gates = page * PAGE_BYTES;
    const at = triplePage * TRIPLE_PAGE_BYTES;
    kernels.gateResidue(
      log.z.a + gates,
      log.z.b + gates,
      sigma,
      rho,
      a.a + at,
      a.b + at,
      b.a + at,
      b.b + at,
      c.a + at,
      c.b + at,
      orders + n * ORDER_BYTES,
      constantMask.a,
      constantMask.b,
      nextResidue,
      thirdResidue,
      PAGE_UNITS,
    );
    // Shares i and i + 1 of zero add up to share i + 2, which the next party holds as its second.
    residues.add('previous', blocks.hash('previous', nextResidue, PAGE_BYTES));
    residues.add('next', blocks.hash('next', thirdResidue, PAGE_BYTES));
  });
}

/** Both shares of the masked operands of a page, and of the triples that are opened. */
function maskItem(
  { kernels }: Session,
  { x, y }: GateLog,
  { page, triples: { a, b, c }, triplePage }: Item,
  order: number,
  own: number,
  next: number,
): void {
  const gates = page * PAGE_BYTES;
  const at = triplePage * TRIPLE_PAGE_BYTES;
  kernels.maskOperands(
    x.a + gates,
    x.b + gates,
    y.a + gates,
    y.b + gates,
    a.a + at,
    a.b + at,
    b.a + at,
    b.b + at,
    order,
    own,
    next,
    PAGE_UNITS,
  );
  const openedOrder = order + 2 * PAGE_UNITS;
  [a, b, c].forEach((values, n) => {
    const to = 2 * PAGE_BYTES + n * OPENED_BYTES;
    kernels.pickUnits(values.a + at, openedOrder, own + to, OPENED_UNITS);
    kernels.pickUnits(values.b + at, openedOrder, next + to, OPENED_UNITS);
  });
}
