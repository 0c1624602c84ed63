/** A table of the store: a sublevel whose values have one type. */
import type { ClassicLevel } from 'classic-level';
import { decodeCanonical, encodeCanonical, MozaikError, type Schema } from '@mozaik/protocol';
import type { Gate } from './gate.ts';

export interface Codec<T> {
  encode: (value: T) => Uint8Array;
  decode: (data: Uint8Array) => T;
}

export const rawBytes: Codec<Uint8Array> = { encode: (value) => value, decode: (data) => data };

/** Records as canonical CBOR. Decoding throws STATE_CORRUPT: the store wrote them itself. */
export const record = <T>(schema: Schema<T>, what: string): Codec<T> => ({
  encode: (value) => encodeCanonical(value),
  decode: (data) => {
    try {
      return decodeCanonical(data, schema, what);
    } catch (cause) {
      throw new MozaikError('STATE_CORRUPT', `a stored ${what}`, { cause });
    }
  },
});

export interface Range {
  gte?: Uint8Array;
  gt?: Uint8Array;
  lt?: Uint8Array;
  lte?: Uint8Array;
  reverse?: boolean;
  limit?: number;
}

const sublevelOf = (db: ClassicLevel<Uint8Array, Uint8Array>, name: string) =>
  db.sublevel<Uint8Array, Uint8Array>(name, { keyEncoding: 'view', valueEncoding: 'view' });
type Sublevel = ReturnType<typeof sublevelOf>;

/** One change, for a batch that is written as a whole. */
export type Write = { sublevel: Sublevel; key: Uint8Array } & (
  { type: 'put'; value: Uint8Array } | { type: 'del' }
);

export class Table<T> {
  readonly #level: Sublevel;
  readonly #codec: Codec<T>;
  readonly #gate: Gate;

  constructor(db: ClassicLevel<Uint8Array, Uint8Array>, gate: Gate, name: string, codec: Codec<T>) {
    this.#level = sublevelOf(db, name);
    this.#codec = codec;
    this.#gate = gate;
  }

  async get(key: Uint8Array): Promise<T | undefined> {
    const data = await this.#level.get(key);
    return data === undefined ? undefined : this.#codec.decode(data);
  }

  getSync(key: Uint8Array): T | undefined {
    const data = this.#level.getSync(key);
    return data === undefined ? undefined : this.#codec.decode(data);
  }

  async getMany(keys: Uint8Array[]): Promise<(T | undefined)[]> {
    const found = await this.#level.getMany(keys);
    return found.map((data) => (data === undefined ? undefined : this.#codec.decode(data)));
  }

  put(key: Uint8Array, value: T): Write {
    return { type: 'put', sublevel: this.#level, key, value: this.#codec.encode(value) };
  }

  delete(key: Uint8Array): Write {
    return { type: 'del', sublevel: this.#level, key };
  }

  /** Entries in the order of their keys. Do not erase while iterating: erasing waits for the end. */
  async *entries(range: Range): AsyncGenerator<[Uint8Array, T]> {
    await this.#gate.enter();
    try {
      for await (const [key, data] of this.#level.iterator(range)) {
        yield [key, this.#codec.decode(data)];
      }
    } finally {
      this.#gate.leave();
    }
  }
}
