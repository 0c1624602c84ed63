/**
 * Compares what a board did with what the store gives its user. Every envelope in the store has to be
 * accounted for: one that was made and opens to its heartbeat, or one that the link has corrupted and
 * that does not open. Every acknowledged beat has to be there, unless the link had its acknowledgement
 * given for something else.
 */
import { openSample, type Api, type Device } from '@mozaik/client';
import { decodeSample, equalBytes, SAMPLES_PAGE_MAX, toHex } from '@mozaik/protocol';
import type { BeatEntry, Journal } from './journal.ts';

/** Numbers of envelopes in the store, and of beats. */
export interface Findings {
  /** Envelopes that were there before the run. */
  earlier: number;
  /** Envelopes that open to the exact heartbeat and time. */
  intact: number;
  /** Envelopes that the link corrupted; they do not open. */
  corrupted: number;
  /** Acknowledged beats in whose place a corrupted packet was stored. */
  corruptedAcknowledged: number;
  /** Beats that were rejected although nothing else has their number: the link broke too often. */
  givenUp: number;
}

/** What must not be. */
export interface Violations {
  /** Acknowledged beats that are not in the store, and envelopes that have vanished from it. */
  missing: number;
  /** Envelopes in the store that nobody sent. */
  foreign: number;
  /** Envelopes that came back more than once, or out of order. */
  repeated: number;
  /** Envelopes of the board that do not open to their heartbeat and time. */
  wrong: number;
  /** Corrupted envelopes that open. */
  forged: number;
  /** Two envelopes under one nonce, and sequence numbers that did not increase. */
  nonceRepeats: number;
  /** Beats that were never settled although link and broker were well in the end. */
  stuck: number;
}

/** The stream's envelopes as the store gives them, in its order. */
export async function* storedEnvelopes(
  api: Api,
  device: Uint8Array,
  stream: number,
): AsyncGenerator<Uint8Array> {
  for (let from = 0; ;) {
    const { samples } = await api.samples({ device, stream, from });
    for (const { envelope } of samples) yield envelope;
    if (samples.length < SAMPLES_PAGE_MAX) return;
    from = decodeSample(samples[samples.length - 1].envelope).sequence + 1;
  }
}

/**
 * @param earlier envelopes (hex) that the store held before the journal began
 * @throws MozaikError when the store cannot be read
 */
export async function verifyBoard(
  api: Api,
  device: Device,
  stream: number,
  journal: Journal,
  earlier: ReadonlySet<string>,
): Promise<{ findings: Findings; violations: Violations }> {
  const user = api.session.identity.id;
  const findings = { earlier: 0, intact: 0, corrupted: 0, corruptedAcknowledged: 0, givenUp: 0 };
  const violations = {
    ...{ missing: 0, foreign: 0, repeated: 0, wrong: 0, forged: 0 },
    ...{ nonceRepeats: journal.sequenceRepeats, stuck: 0 },
  };
  /** Sequence numbers under which the store has the board's own envelope. */
  const intact = new Set<number>();
  /** Sequence numbers under which it has a corrupted one. */
  const occupied = new Set<number>();
  /** Beats of which it has a corrupted version, under any number. */
  const misstored = new Set<number>();
  const nonces = new Set<string>();
  let previous = -1;

  for await (const envelope of storedEnvelopes(api, device.id, stream)) {
    const { sequence, nonce } = decodeSample(envelope);
    if (sequence <= previous) violations.repeated++;
    previous = sequence;
    const name = toHex(envelope);
    const opened = openSample(user, device, stream, envelope);
    const entry = journal.entries.get(sequence);
    const corruptedFrom = journal.corruptions.get(name);
    if (entry !== undefined && equalBytes(entry.envelope, envelope)) {
      intact.add(sequence);
      if (!isExact(opened, entry)) violations.wrong++;
    } else if (corruptedFrom !== undefined) {
      findings.corrupted++;
      occupied.add(sequence);
      misstored.add(corruptedFrom);
      if (!('code' in opened)) violations.forged++;
      continue;
    } else if (earlier.has(name)) {
      findings.earlier++;
    } else {
      violations.foreign++;
    }
    if (nonces.has(toHex(nonce))) violations.nonceRepeats++;
    nonces.add(toHex(nonce));
  }

  findings.intact = intact.size;
  violations.missing += earlier.size - findings.earlier;
  for (const [sequence, { state, forged }] of journal.entries) {
    if (intact.has(sequence)) continue;
    if (state === 'acknowledged') {
      if (misstored.has(sequence) || forged) findings.corruptedAcknowledged++;
      else violations.missing++;
    }
    if (occupied.has(sequence)) continue;
    if (state === 'pending') violations.stuck++;
    if (state === 'rejected') findings.givenUp++;
  }
  return { findings, violations };
}

function isExact(opened: ReturnType<typeof openSample>, { window, time }: BeatEntry): boolean {
  return !('code' in opened) && opened.time === time && equalBytes(opened.plaintext, window);
}
