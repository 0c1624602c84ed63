/**
 * Malicious with abort, 1 of 3 corrupted: what turns a run whose products may carry errors into one that
 * is verified. Gates and dense layers are recorded, openings and residues are noted;
 * {@link Verification.complete} checks them all, with an error of at most 2^-40 each for gates and layers.
 * Nothing that depends on the data may be opened before, but values under fresh masks. Costs stand with
 * the parts.
 */
import { COIN_COST, lateCoin, tossCoin } from './coin.ts';
import { reveal, revealCost, sumCosts, type Cost } from './binary.ts';
import { AdviceLog } from './advice-log.ts';
import type { Checks } from './checks.ts';
import { checkDense, denseCheckCost } from './dense-check.ts';
import { GateLog } from './gate-log.ts';
import { checkGatesCost, proveGates } from './gate-proof.ts';
import { WORD_BYTES } from './ring.ts';
import type { Session, Shares } from './session.ts';
import { COMPARE_COST, Transcript } from './transcript.ts';
import type { DenseRecord } from './verified-dense.ts';

/** What is recorded, bytes. */
export interface Recorded {
  /** AND gates of all parties. */
  gates: number;
  /** Products on which one party advises, the most of any. */
  advised: number;
}

/** @param inputs of all dense layers together */
export const completeCost = ({ gates, advised }: Recorded, inputs: number): Required<Cost> =>
  sumCosts(
    denseCheckCost(inputs),
    COIN_COST,
    checkGatesCost(gates, advised),
    COMPARE_COST,
    COMPARE_COST,
  );

export class Verification implements Checks {
  readonly #session: Session;
  readonly #gates: GateLog;
  readonly #advice: AdviceLog;
  readonly #layers: DenseRecord[] = [];
  readonly #opened: Transcript;
  readonly #residues: Transcript;

  /**
   * Begins to record.
   * @param capacity of all that will follow
   */
  constructor(session: Session, capacity: Recorded) {
    this.#session = session;
    this.#gates = new GateLog(session, capacity.gates);
    this.#advice = new AdviceLog(session, capacity.advised);
    this.#opened = new Transcript(session);
    this.#residues = new Transcript(session);
    session.log = this.#gates;
    session.adviceLog = this.#advice;
    session.transcript = this.#opened;
  }

  /** So far. */
  get recorded(): Recorded {
    return { gates: this.#gates.used, advised: this.#advice.used };
  }

  recordLayer(record: DenseRecord): void {
    this.#layers.push(record);
  }

  lateCoin(length: number): Promise<number> {
    return lateCoin(this.#session, this.#opened, length);
  }

  async openWords(x: Shares, count: number): Promise<Uint32Array> {
    const { memory } = this.#session;
    const length = count * WORD_BYTES;
    const mark = memory.mark();
    const missing = memory.allocate(length);
    await this.#session.exchange('next', x.a, length, missing);
    const [a, b, c] = [x.a, x.b, missing].map((pointer) => memory.words(pointer, count));
    const values = a.map((word, i) => word + b[i] + c[i]);
    memory.release(mark);
    this.#opened.addToAll(new Uint8Array(values.buffer));
    return values;
  }

  expectZeroWords(x: Shares, count: number): void {
    const { memory } = this.#session;
    // Shares i and i + 1 of zero and share i + 2, which the next party holds as its second, add up to it.
    const b = memory.words(x.b, count);
    const third = memory.words(x.a, count).map((word, i) => -(word + b[i]));
    this.#residues.add('previous', memory.bytes(x.b, count * WORD_BYTES));
    this.#residues.add('next', new Uint8Array(third.buffer));
  }

  /**
   * Checks everything that was recorded; ends the recording. Openings and coins are compared before a
   * proof is opened, and residues last: a wrong one before would let these tell of what masks them.
   * @throws MozaikError PEER_CHEATED
   */
  async complete(): Promise<void> {
    const session = this.#session;
    session.log = undefined;
    session.adviceLog = undefined;
    session.transcript = undefined;
    this.#gates.finish();
    this.#advice.finish();
    const coin = await tossCoin(session, this.#opened);
    await checkDense(session, this.#layers, coin, this);
    const proof = await proveGates(session, [this.#gates, this.#advice], coin, this.#opened);
    await this.#opened.compare();
    await proof.open();
    await this.#residues.compare();
  }
}

/** Cost of {@link openBits}. */
export const openBitsCost = (length: number): Required<Cost> =>
  sumCosts(revealCost(length), COMPARE_COST);

/**
 * Opens `length` bytes of verified shared bits to all.
 * @throws MozaikError PEER_CHEATED when the honest parties would see different ones
 */
export async function openBits(session: Session, x: Shares, length: number): Promise<Uint8Array> {
  const opened = await reveal(session, x, length);
  const transcript = new Transcript(session);
  transcript.addToAll(opened);
  await transcript.compare();
  return opened;
}
