/** Descriptors of parties and of servers for homomorphic ciphertexts. The backend only passes them on: users pin them by another channel. */
import { equalBytes, MozaikError, toHex, verifyDescriptor } from '@mozaik/protocol';
import type { Database } from './database.ts';
import { key } from './keys.ts';

export class Parties {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /**
   * Stores a party's descriptor; a newer one takes the place of an older one.
   * @throws MozaikError ENCODING_INVALID, SIGNATURE_INVALID, FORBIDDEN, CONFLICT
   */
  async put(party: string, signed: Uint8Array): Promise<void> {
    const { value, hash } = verifyDescriptor(signed);
    if (toHex(value.party) !== party) {
      throw new MozaikError('FORBIDDEN', 'the descriptor is of another party');
    }
    const present = await this.#db.parties.get(value.party);
    if (present !== undefined) {
      if (equalBytes(present.descriptor, hash)) return;
      // An old descriptor that someone replays must not bring an old key back.
      if (value.issued <= present.issued) {
        throw new MozaikError('CONFLICT', 'a newer descriptor is stored');
      }
    }
    const { name, issued } = value;
    await this.#db.write([
      this.#db.parties.put(value.party, { descriptor: hash, name, issued, signed }),
    ]);
  }

  async list(): Promise<{ id: string; name: string }[]> {
    const parties = [];
    for await (const [id, { name }] of this.#db.parties.entries({})) {
      parties.push({ id: toHex(id), name });
    }
    return parties;
  }

  /** The signed descriptor. @throws MozaikError NOT_FOUND */
  async get(party: string): Promise<Uint8Array> {
    const record = await this.#db.parties.get(key(party));
    if (record === undefined) throw new MozaikError('NOT_FOUND', 'party');
    return record.signed;
  }
}
