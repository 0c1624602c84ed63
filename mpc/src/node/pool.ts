/**
 * What a job needs and no input decides, made ahead: connections to both peers, a session with fresh keys
 * and, for the malicious protocol, the masks of a chunk. It is made over the connection of a streaming
 * consent's last job while the node idles, is for that consent alone, lives in memory only, and is taken
 * out before its first use.
 *
 * No party decides alone that an entry is used: whoever does not go on, for whatever reason, closes its
 * connections, and that ends the entry at the others.
 */
import { hash, toHex, type Adversary } from '@mozaik/protocol';
import { laneCount } from '../engine/classify.ts';
import { Session } from '../engine/session.ts';
import { prepareChunk, type Prepared } from '../engine/verified-classify.ts';
import type { Architecture } from '../model.ts';
import type { PeerSession } from './peers.ts';

const DEFAULT_LIMITS = {
  /** Entries at once. Of more, the oldest goes. */
  entries: 16,
  /** Lanes that all entries have prepared, about 80 KB each with the shape 187-50-50-50-50-5; as above. */
  lanes: 2048,
  /**
   * Heartbeats that one entry is prepared for; after a larger job it is only a session. The three
   * parties of a consent need the same limit.
   */
  beats: 256,
  /** An entry that nobody has used goes after so long, ms. */
  ageMs: 600_000,
  /** What a peer that hears of the next job before us may send: one message of the agreement, bytes. */
  unread: 128,
};
export type PoolLimits = typeof DEFAULT_LIMITS;

/** What an entry is made for. */
export interface Demand {
  /** The job that the connection has served: all three parties agreed on it. */
  job: Uint8Array;
  consent: { hash: Uint8Array; user: Uint8Array; expires: number };
  architecture: Architecture;
  adversary: Adversary;
  /** How many heartbeats are expected. */
  beats: number;
}

/** What was made ahead. */
export interface Contents {
  session: Session;
  /** Absent in the semi-honest protocol, and after large jobs. */
  prepared: Prepared | undefined;
}

export interface PoolMetrics {
  /** Entries that are ready. */
  depth: number;
  /** Lanes of these. */
  lanes: number;
  /** Entries that jobs took, since the start. */
  taken: number;
  /** Entries that ended unused. */
  dropped: number;
  /** Sent to peers to make entries; jobs do not count these bytes. */
  bytesSent: number;
}

/** What the three parties have in common; each holds its own part of it. */
export interface Entry {
  /** The same at all parties. */
  readonly id: Uint8Array;
  readonly connection: PeerSession;
  /** Rejects with the reason when it could not be made. */
  readonly contents: Promise<Contents>;
  /** Closes the connection and wipes the session. */
  close(): void;
}

interface Kept extends Entry {
  demand: Demand;
  lanes: number;
  isReady: boolean;
  timer: NodeJS.Timeout;
}

export class Pool {
  readonly #limits: PoolLimits;
  readonly #now: () => number;
  readonly #onChange: (metrics: PoolMetrics, cause?: unknown) => void;
  /** By consent, oldest first. */
  readonly #entries = new Map<string, Kept>();
  #taken = 0;
  #dropped = 0;
  #bytesSent = 0;
  #closed = false;

  /** @param onChange told of each change; `cause` is the error that an entry ended with */
  constructor(
    now: () => number,
    onChange: (metrics: PoolMetrics, cause?: unknown) => void,
    limits: Partial<PoolLimits> = {},
  ) {
    this.#now = now;
    this.#onChange = onChange;
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
  }

  metrics(): PoolMetrics {
    const ready = [...this.#entries.values()].filter(({ isReady }) => isReady);
    return {
      depth: ready.length,
      lanes: ready.reduce((sum, { lanes }) => sum + lanes, 0),
      taken: this.#taken,
      dropped: this.#dropped,
      bytesSent: this.#bytesSent,
    };
  }

  /** Takes over the connection of a job that is done, and makes an entry over it in the background. */
  add(connection: PeerSession, demand: Demand): void {
    if (this.#closed) return connection.close();
    const limits = this.#limits;
    const key = toHex(demand.consent.hash);
    const isPrepared = demand.adversary === 'malicious' && demand.beats <= limits.beats;
    const lanes = isPrepared ? laneCount(demand.beats) : 0;
    this.drop(({ consent }) => toHex(consent.hash) === key);
    for (const oldest of this.#entries.keys()) {
      const total = [...this.#entries.values()].reduce((sum, entry) => sum + entry.lanes, lanes);
      if (this.#entries.size < limits.entries && total <= limits.lanes) break;
      this.#end(oldest);
    }
    const contents = this.#fill(connection, demand, lanes);
    const lifeMs = Math.min(limits.ageMs, demand.consent.expires - this.#now());
    const entry: Kept = {
      id: hash('mozaik/pool-entry/1', demand.job),
      connection,
      contents,
      close() {
        connection.close();
        contents.then(
          ({ session }) => session.close(),
          () => undefined,
        );
      },
      demand,
      lanes,
      isReady: false,
      timer: setTimeout(() => this.#endIf(entry), lifeMs).unref(),
    };
    this.#entries.set(key, entry);
    contents.then(
      () => {
        if (this.#entries.get(key) !== entry) return;
        entry.isReady = true;
        connection.limitUnread(limits.unread);
        this.#onChange(this.metrics());
      },
      (error: unknown) => this.#endIf(entry, error),
    );
    void connection.ended.then((failure) => this.#endIf(entry, failure));
  }

  /** The entry of a consent, perhaps still in the making. Nobody else gets it; the caller closes it. */
  take(consent: Uint8Array): Entry | undefined {
    const key = toHex(consent);
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    this.#remove(key, entry);
    this.#taken++;
    entry.connection.limitUnread();
    this.#onChange(this.metrics());
    return entry;
  }

  /** Ends the entries that were made for such demands. */
  drop(isMeant: (demand: Demand) => boolean): void {
    for (const [key, { demand }] of this.#entries) if (isMeant(demand)) this.#end(key);
  }

  /** Ends all entries, and those to come. */
  close(): void {
    this.#closed = true;
    this.drop(() => true);
  }

  async #fill(connection: PeerSession, demand: Demand, lanes: number): Promise<Contents> {
    const { channel } = connection;
    const { meter } = channel;
    Object.assign(meter, { rounds: 0, bytesSent: 0 });
    try {
      const session = await Session.open(channel);
      try {
        const prepared =
          lanes > 0 ? await prepareChunk(session, demand.architecture, lanes) : undefined;
        return { session, prepared };
      } catch (error) {
        session.close();
        throw error;
      }
    } finally {
      this.#bytesSent += meter.bytesSent;
      // The job that takes the entry counts from here.
      Object.assign(meter, { rounds: 0, bytesSent: 0 });
    }
  }

  /** Ends an entry unless it has been taken, or has ended already. */
  #endIf(entry: Kept, cause?: unknown): void {
    const key = toHex(entry.demand.consent.hash);
    if (this.#entries.get(key) === entry) this.#end(key, cause);
  }

  #end(key: string, cause?: unknown): void {
    const entry = this.#entries.get(key)!;
    this.#remove(key, entry);
    this.#dropped++;
    entry.close();
    this.#onChange(this.metrics(), cause);
  }

  #remove(key: string, { timer }: Kept): void {
    clearTimeout(timer);
    this.#entries.delete(key);
  }
}
