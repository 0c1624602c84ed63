/**
 * Malicious with abort, 1 of 3 corrupted: a chunk of the analysis. The same steps as the semi-honest one
 * (`classify.ts`), of verified parts only: every non-linear step is made of recorded AND gates, every
 * dense layer is recorded, and all is checked ({@link Verification}) before the tag bits are opened, as
 * they depend on the data. A cheat passes with probability at most 2^-40.
 */
import { BEAT_SAMPLES } from '@mozaik/protocol';
import { RING_BITS, type Architecture } from '../model.ts';
import { decrypt, decryptCost, equalTags, equalTagsCost, type SealedMessage } from './ascon.ts';
import { ARGMAX_LANE_MULTIPLE, type Winner } from './argmax.ts';
import { sumCosts, type Cost } from './binary.ts';
import type { PartyIndex } from './channel.ts';
import type { LoadedModel, PhaseListener } from './classify.ts';
import { planeWords } from './roles.ts';
import { padRows, roundUp, WORD_BYTES } from './ring.ts';
import type { Session, Shares } from './session.ts';
import { prepareMasks, prepareMasksCost, type Conversion, type RingMask } from './to-ring.ts';
import {
  completeCost,
  openBits,
  openBitsCost,
  Verification,
  type Recorded,
} from './verification.ts';
import { argmaxVerified, argmaxVerifiedCost } from './verified-argmax.ts';
import { BYTE_BITS, bytesToRingVerified, bytesToRingVerifiedCost } from './verified-bytes.ts';
import { denseVerified, denseVerifiedCost } from './verified-dense.ts';
import { reluBits, reluTruncateVerified, reluVerifiedCost } from './verified-relu.ts';

const wideLanes = (lanes: number): number => roundUp(lanes, ARGMAX_LANE_MULTIPLE);

/** Counts and widths of the values that are converted to ring elements, in order. */
function conversions({ widths, fractionBits }: Architecture, lanes: number): Conversion[] {
  const hidden = widths.slice(1, -1);
  return [
    { count: BEAT_SAMPLES * lanes, bits: BYTE_BITS },
    ...hidden.map((width) => ({ count: width * lanes, bits: reluBits(fractionBits) })),
    { count: wideLanes(lanes), bits: RING_BITS },
  ];
}

const masksCost = (index: PartyIndex, architecture: Architecture, lanes: number): Required<Cost> =>
  prepareMasksCost(index, conversions(architecture, lanes));

function analysisCost(
  index: PartyIndex,
  { widths, fractionBits }: Architecture,
  lanes: number,
): Required<Cost> {
  const costs: Cost[] = [
    decryptCost(BEAT_SAMPLES, lanes),
    equalTagsCost(lanes),
    bytesToRingVerifiedCost(index, BEAT_SAMPLES, lanes),
  ];
  for (let layer = 1; layer < widths.length; layer++) {
    costs.push(denseVerifiedCost(widths[layer], lanes));
    if (layer < widths.length - 1) {
      costs.push(reluVerifiedCost(index, widths[layer] * lanes, fractionBits));
    }
  }
  costs.push(argmaxVerifiedCost(index, widths[widths.length - 1], wideLanes(lanes)));
  return sumCosts(...costs);
}

/** What a chunk will record, the same at all parties. */
const recordedCost = (architecture: Architecture, lanes: number): Recorded =>
  sumCosts(masksCost(0, architecture, lanes), analysisCost(0, architecture, lanes));

/** Rounds and bytes of a chunk at party `index`: what needs no input, and the rest. */
export function classifyVerifiedCost(
  index: PartyIndex,
  architecture: Architecture,
  lanes: number,
): { offline: Required<Cost>; online: Required<Cost> } {
  const recorded = recordedCost(architecture, lanes);
  const inputs = architecture.widths.slice(0, -1).reduce((sum, width) => sum + width, 0);
  return {
    offline: masksCost(index, architecture, lanes),
    online: sumCosts(
      analysisCost(index, architecture, lanes),
      completeCost(recorded, inputs),
      openBitsCost(planeWords(lanes) * WORD_BYTES),
    ),
  };
}

/** What a chunk needs and no input decides. Used once, in the session that made it. */
export interface Prepared {
  /** As many as the chunk will have. */
  lanes: number;
  verification: Verification;
  /** Taken out by the chunk that uses them. */
  masks: RingMask[];
}

export async function prepareChunk(
  session: Session,
  architecture: Architecture,
  lanes: number,
): Promise<Prepared> {
  const verification = new Verification(session, recordedCost(architecture, lanes));
  const masks = await prepareMasks(session, conversions(architecture, lanes));
  return { lanes, verification, masks };
}

/**
 * Runs a chunk of as many lanes as are prepared, of which `messages` may fill fewer.
 *
 * @returns shares of the results of all lanes, and for each lane 1 when the message is authentic
 * @throws MozaikError PEER_CHEATED
 */
export async function classifyVerified(
  session: Session,
  { architecture, layers }: LoadedModel,
  prepared: Prepared,
  key: Shares,
  messages: SealedMessage[],
  onPhase: PhaseListener,
): Promise<Winner & { authentic: Uint8Array }> {
  const { widths, fractionBits } = architecture;
  const { lanes, verification } = prepared;
  const masks = prepared.masks.splice(0);
  if (masks.length === 0) throw new Error('masks are used once');
  onPhase('decrypt');
  const decryption = await decrypt(session, key, messages, lanes);
  const { state, tag, plaintext } = decryption;
  const equal = await equalTags(session, state, key, tag, lanes);
  onPhase('convert');
  let x = await bytesToRingVerified(session, plaintext, BEAT_SAMPLES, lanes, masks[0]);
  onPhase('infer');
  for (const [n, layer] of layers.entries()) {
    const z = session.allocate(layer.outputs * lanes * WORD_BYTES);
    verification.recordLayer(await denseVerified(session, layer, x, z, lanes));
    const last = n === layers.length - 1;
    const count = layer.outputs * lanes;
    x = last ? z : await reluTruncateVerified(session, z, count, fractionBits, masks[n + 1]);
  }
  onPhase('argmax');
  const classes = widths[widths.length - 1];
  const wide = wideLanes(lanes);
  const logits = padRows(session, x, classes, lanes, wide);
  const winner = await argmaxVerified(session, logits, classes, wide, masks[masks.length - 1]);
  onPhase('verify');
  await verification.complete();
  const plane = planeWords(lanes) * WORD_BYTES;
  const bits = await openBits(session, equal, plane);
  const authentic = Uint8Array.from({ length: lanes }, (_, l) => (bits[l >> 3] >> (l & 7)) & 1);
  return { ...winner, authentic };
}
