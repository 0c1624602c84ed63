/**
 * Semi-honest generation of random AND triples, to be checked against the gates that they check
 * (`gate-check.ts`). Operands come from pairwise generators without a message; 1 bit per triple and
 * party for the product (Araki et al., CCS 2016).
 */
import type { Cost } from './binary.ts';
import { GROUP_BYTES } from './generator.ts';
import { PAGE_BYTES, PAGE_UNITS, UNIT_BYTES } from './gate-log.ts';
import type { Session, Shares } from './session.ts';

/** Triples of each page that are opened: a page of bad triples alone cannot hide. */
export const OPENED_UNITS = 16;
export const OPENED_BYTES = OPENED_UNITS * UNIT_BYTES;
export const TRIPLE_PAGE_UNITS = PAGE_UNITS + OPENED_UNITS;
export const TRIPLE_PAGE_BYTES = PAGE_BYTES + OPENED_BYTES;

/** Pages of products in one message: bounds buffers. */
const MESSAGE_PAGES = 256;
/** Pages that are made at a time: what they touch fits a second-level cache. */
const PIECE_PAGES = 16;

/** a, b and c = a b: pages of {@link TRIPLE_PAGE_BYTES} one after another. */
export interface Triples {
  a: Shares;
  b: Shares;
  c: Shares;
  pages: number;
}

export const triplesCost = (pages: number): Cost => ({
  rounds: Math.ceil(pages / MESSAGE_PAGES),
  bytes: pages * TRIPLE_PAGE_BYTES,
});

export async function makeTriples(session: Session, pages: number): Promise<Triples> {
  const { memory, kernels, zero, triple } = session;
  const length = pages * TRIPLE_PAGE_BYTES;
  const [a, b, c] = Array.from({ length: 3 }, () => session.allocate(length + GROUP_BYTES));
  const zeroA = memory.allocate(PIECE_PAGES * TRIPLE_PAGE_BYTES + GROUP_BYTES);
  const zeroB = memory.allocate(PIECE_PAGES * TRIPLE_PAGE_BYTES + GROUP_BYTES);
  for (let first = 0; first < pages; first += MESSAGE_PAGES) {
    const last = Math.min(pages, first + MESSAGE_PAGES);
    for (let page = first; page < last; page += PIECE_PAGES) {
      const at = page * TRIPLE_PAGE_BYTES;
      const part = Math.min(PIECE_PAGES, last - page) * TRIPLE_PAGE_BYTES;
      for (const operand of [a, b]) {
        triple.own.write(operand.a + at, part);
        triple.next.write(operand.b + at, part);
      }
      zero.own.write(zeroA, part);
      zero.next.write(zeroB, part);
      kernels.andBytes(a.a + at, a.b + at, b.a + at, b.b + at, zeroA, zeroB, c.a + at, part);
    }
    const at = first * TRIPLE_PAGE_BYTES;
    await session.exchange('previous', c.a + at, (last - first) * TRIPLE_PAGE_BYTES, c.b + at);
  }
  return { a, b, c, pages };
}
