/**
 * Semi-honest generation of random AND triples, to be checked against the gates that they check
 * (`gate-check.ts`). Operands come from pairwise generators without a message; 1 bit per triple and
 * party for the product (Araki et al., CCS 2016).
 */
import type { Cost } from './binary.ts';
import { PAGE_BYTES, PAGE_UNITS, UNIT_BYTES } from './gate-log.ts';
import type { Session, Shares } from './session.ts';

/** Triples of each page that are opened: a page of bad triples alone cannot hide. */
export const OPENED_UNITS = 16;
export const OPENED_BYTES = OPENED_UNITS * UNIT_BYTES;
export const TRIPLE_PAGE_UNITS = PAGE_UNITS + OPENED_UNITS;
export const TRIPLE_PAGE_BYTES = PAGE_BYTES + OPENED_BYTES;

/** Bytes of products in one message: bounds the buffers. */
const MESSAGE_BYTES = 1 << 20;

/** a, b and c = a b: pages of {@link TRIPLE_PAGE_BYTES} one after another. */
export interface Triples {
  a: Shares;
  b: Shares;
  c: Shares;
  pages: number;
}

export function triplesCost(pages: number): Cost {
  const bytes = pages * TRIPLE_PAGE_BYTES;
  return { rounds: Math.ceil(bytes / MESSAGE_BYTES), bytes };
}

export async function makeTriples(session: Session, pages: number): Promise<Triples> {
  const { memory, kernels, zero, triple } = session;
  const length = pages * TRIPLE_PAGE_BYTES;
  const random = (): Shares => ({ a: triple.own.fill(length), b: triple.next.fill(length) });
  const a = random();
  const b = random();
  const c = session.allocate(length);
  for (let at = 0; at < length; at += MESSAGE_BYTES) {
    const part = Math.min(MESSAGE_BYTES, length - at);
    const mark = memory.mark();
    const zeroA = zero.own.take(part);
    const zeroB = zero.next.take(part);
    kernels.andBytes(a.a + at, a.b + at, b.a + at, b.b + at, zeroA, zeroB, c.a + at, part);
    memory.release(mark);
    await session.exchange('previous', c.a + at, part, c.b + at);
  }
  return { a, b, c, pages };
}
