/** Models: public descriptors, and what only the parties or the server named in them can open. */
import {
  decodeCanonical,
  modelSubmission,
  MozaikError,
  toHex,
  verifyAnyModel,
} from '@mozaik/protocol';
import type { Database } from './database.ts';
import { key } from './keys.ts';

export class Models {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /**
   * Stores a model. The same model again changes nothing.
   * @returns its hash
   * @throws MozaikError ENCODING_INVALID, SIGNATURE_INVALID, FORBIDDEN
   */
  async submit(provider: string, submission: Uint8Array): Promise<Uint8Array> {
    const { descriptor: signed, shares } = decodeCanonical(
      submission,
      modelSubmission,
      'model submission',
    );
    const { value: descriptor, hash } = verifyAnyModel(signed);
    if (shares.length !== descriptor.parties.length) {
      throw new MozaikError('ENCODING_INVALID', 'there is not one sealed model for each party');
    }
    if (toHex(descriptor.provider) !== provider) {
      throw new MozaikError('FORBIDDEN', 'the model is of another provider');
    }
    if ((await this.#db.models.get(hash)) === undefined) {
      await this.#db.write([
        this.#db.models.put(hash, { descriptor, signed }),
        ...shares.map((share, i) => this.#db.modelShares.put(key(hash, Uint8Array.of(i)), share)),
      ]);
    }
    return hash;
  }

  async list(): Promise<{ model: string; name: string; provider: string }[]> {
    const models = [];
    for await (const [hash, { descriptor }] of this.#db.models.entries({})) {
      const { name, provider } = descriptor;
      models.push({ model: toHex(hash), name, provider: toHex(provider) });
    }
    return models;
  }

  /** The signed descriptor. @throws MozaikError NOT_FOUND */
  async get(hash: Uint8Array): Promise<Uint8Array> {
    return (await this.#require(hash)).signed;
  }

  /** A party's sealed share. @throws MozaikError NOT_FOUND, also for a party that has none */
  async share(party: string, hash: Uint8Array): Promise<Uint8Array> {
    const { descriptor } = await this.#require(hash);
    const position = descriptor.parties.findIndex((id) => toHex(id) === party);
    const share =
      position < 0 ? undefined : await this.#db.modelShares.get(key(hash, Uint8Array.of(position)));
    if (share === undefined) throw new MozaikError('NOT_FOUND', 'model share');
    return share;
  }

  async #require(hash: Uint8Array) {
    const record = await this.#db.models.get(hash);
    if (record === undefined) throw new MozaikError('NOT_FOUND', 'model');
    return record;
  }
}
