/**
 * Three parties meet for a job: over an entry of the pool that all of them still have, else over fresh
 * connections; and make sure that they hold the same.
 *
 * Whether the entry is used is one decision of all three. A party commits to it by its message in the
 * agreement and goes on when both peers have sent the same; one that has no entry dials anew at once,
 * which the next party notices, and whoever gives the entry up closes its connections, which both others
 * notice. Nothing of an entry has been used by then.
 */
import { equalBytes, hash, HASH_BYTES, MozaikError } from '@mozaik/protocol';
import { rotateBoth, type Channel } from '../engine/channel.ts';
import type { Peers, PeerSession, SessionRequest } from './peers.ts';
import type { Contents, Entry, Pool } from './pool.ts';

export interface Meeting {
  connection: PeerSession;
  /** What was made ahead, if anything was. */
  contents: Contents | undefined;
  /** When the agreement began, by `performance.now()`. */
  started: number;
}

/** In place of an entry's id, over connections that were made for the job. */
const NO_ENTRY = new Uint8Array(HASH_BYTES);

/**
 * @param consent its hash
 * @param view what all three have to hold alike
 * @throws MozaikError INPUTS_DIFFER, PEER_LOST, PEER_PROTOCOL, PARTY_NOT_PINNED
 */
export async function meet(
  { peers, pool }: { peers: Peers; pool: Pool },
  request: SessionRequest,
  consent: Uint8Array,
  view: Uint8Array,
): Promise<Meeting> {
  const entry = pool.take(consent);
  const warm = entry && (await meetOver(entry, peers, request, view));
  if (warm) return warm;
  const connection = await peers.connect(request);
  try {
    const started = performance.now();
    const isSame = await agree(connection.channel, reservation(NO_ENTRY, request), view);
    if (!isSame) throw new MozaikError('INPUTS_DIFFER', 'the parties mean different jobs');
    return { connection, contents: undefined, started };
  } catch (error) {
    connection.close();
    throw error;
  }
}

/** Undefined when not all three use this entry for this job; nobody uses it then. */
async function meetOver(
  entry: Entry,
  peers: Peers,
  request: SessionRequest,
  view: Uint8Array,
): Promise<Meeting | undefined> {
  const { connection } = entry;
  const { signal, timeoutMs } = request;
  const since = performance.now();
  // Of a session that is in use nothing is wiped: what uses it fails first.
  const leave = () => connection.close();
  signal.addEventListener('abort', leave);
  const endWatch = peers.watch(request, leave);
  try {
    const contents = await entry.contents;
    const started = performance.now();
    if (await agree(connection.channel, reservation(entry.id, request), view)) {
      return { connection, contents, started };
    }
  } catch (error) {
    const isDecided = error instanceof MozaikError && error.code === 'INPUTS_DIFFER';
    // Who did not come in all this time would not come to another place either.
    if (isDecided || performance.now() - since >= timeoutMs) {
      entry.close();
      throw error;
    }
  } finally {
    endWatch();
  }
  entry.close();
  return undefined;
}

const reservation = (entry: Uint8Array, { job }: SessionRequest): Uint8Array =>
  hash('mozaik/reservation/1', entry, job);

/**
 * Makes sure that all three parties mean the same entry and job, and hold the same job, consent and
 * ciphertexts.
 *
 * @returns whether the reservations are the same
 * @throws MozaikError INPUTS_DIFFER when they are, and the views are not
 */
async function agree(channel: Channel, reserved: Uint8Array, view: Uint8Array): Promise<boolean> {
  const own = Buffer.concat([reserved, view]);
  const { previous, next } = await rotateBoth(channel, own, own);
  const heard = [previous, next];
  if (heard.some((one) => !equalBytes(one.subarray(0, HASH_BYTES), reserved))) return false;
  if (heard.some((one) => !equalBytes(one, own))) throw new MozaikError('INPUTS_DIFFER');
  return true;
}
