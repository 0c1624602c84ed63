/**
 * Pinned parties and servers: the descriptors to which a user is willing to seal. A pin is made or changed only
 * when the user asks for it; what a backend answers never replaces one.
 */
import {
  equalBytes,
  fromHex,
  ID_BYTES,
  MozaikError,
  isParty,
  toHex,
  verifyDescriptor,
  type Descriptor,
  type PartyDescriptor,
  type ServerDescriptor,
  type Verified,
} from '@mozaik/protocol';
import type { Api } from './api.ts';

/** Where signed descriptors are kept, by the party's id in hexadecimal. */
export interface PinStorage {
  load(party: string): Promise<Uint8Array | undefined>;
  /** Must throw when the party has a descriptor already, so that of two first uses one wins. */
  create(party: string, signed: Uint8Array): Promise<void>;
  replace(party: string, signed: Uint8Array): Promise<void>;
  parties(): Promise<string[]>;
}

/** A pinned descriptor; its `hash` is what a consent names. */
export type Pin = Verified<Descriptor>;

export class Pins {
  readonly #storage: PinStorage;

  constructor(storage: PinStorage) {
    this.#storage = storage;
  }

  /**
   * The pin of a party.
   * @throws MozaikError PARTY_NOT_PINNED when there is none; STATE_CORRUPT when it is damaged
   */
  async get(party: Uint8Array): Promise<Pin> {
    const pin = await this.#find(party);
    if (pin === undefined) throw new MozaikError('PARTY_NOT_PINNED', `party ${toHex(party)}`);
    return pin;
  }

  /**
   * The pin of one of three parties.
   * @throws MozaikError as {@link Pins.get}; PARTY_NOT_PINNED also when it is a server
   */
  async party(id: Uint8Array): Promise<Verified<PartyDescriptor>> {
    const { value, ...rest } = await this.get(id);
    if (isParty(value)) return { value, ...rest };
    throw new MozaikError('PARTY_NOT_PINNED', `${toHex(id)} is pinned as a server`);
  }

  /**
   * The pin of a server for homomorphic ciphertexts.
   * @throws MozaikError as {@link Pins.get}; PARTY_NOT_PINNED also when it is a party
   */
  async server(id: Uint8Array): Promise<Verified<ServerDescriptor>> {
    const { value, ...rest } = await this.get(id);
    if (!isParty(value)) return { value, ...rest };
    throw new MozaikError('PARTY_NOT_PINNED', `${toHex(id)} is pinned as a party`);
  }

  async list(): Promise<Pin[]> {
    const parties = await this.#storage.parties();
    return Promise.all(parties.map((party) => this.get(fromHex(party, ID_BYTES))));
  }

  /**
   * Pins a descriptor that came by a way the user trusts, such as a file from the party. Pinning the
   * same one again changes nothing.
   *
   * @throws MozaikError PARTY_NOT_PINNED when another descriptor of this party is pinned;
   *   ENCODING_INVALID, SIGNATURE_INVALID
   */
  async pin(signed: Uint8Array): Promise<Pin> {
    const given = verifyDescriptor(signed);
    const held = await this.#find(given.value.party);
    if (held === undefined) {
      await this.#storage.create(toHex(given.value.party), signed);
    } else if (!equalBytes(held.hash, given.hash)) {
      throw changed(given);
    }
    return given;
  }

  /**
   * Pins what the backend answers for a party, on first use: the user takes its word, once. The id
   * still guarantees that the party itself signed the descriptor.
   *
   * @throws MozaikError as {@link Pins.pin}; PARTY_NOT_PINNED when the answer is another party's
   */
  async pinOnFirstUse(api: Api, party: Uint8Array): Promise<Pin> {
    const signed = await api.party(party);
    const given = verifyDescriptor(signed);
    if (!equalBytes(given.value.party, party)) {
      throw new MozaikError('PARTY_NOT_PINNED', `asked for ${toHex(party)}, got another party`);
    }
    return this.pin(signed);
  }

  /**
   * Changes a pin because the user asked for it, from the descriptor with hash `from` to a newer one.
   *
   * @throws MozaikError PARTY_NOT_PINNED when `from` is not what is pinned, or the new descriptor was
   *   issued before it
   */
  async change(signed: Uint8Array, from: Uint8Array): Promise<Pin> {
    const given = verifyDescriptor(signed);
    const held = await this.get(given.value.party);
    if (!equalBytes(held.hash, from)) throw changed(given);
    if (given.value.issued < held.value.issued) {
      throw new MozaikError('PARTY_NOT_PINNED', 'the new descriptor is older than the pinned one');
    }
    await this.#storage.replace(toHex(given.value.party), signed);
    return given;
  }

  async #find(party: Uint8Array): Promise<Pin | undefined> {
    const signed = await this.#storage.load(toHex(party));
    if (signed === undefined) return undefined;
    try {
      const pin = verifyDescriptor(signed);
      if (equalBytes(pin.value.party, party)) return pin;
    } catch (cause) {
      throw new MozaikError('STATE_CORRUPT', `pin of party ${toHex(party)}`, { cause });
    }
    throw new MozaikError('STATE_CORRUPT', `pin of party ${toHex(party)} is of another party`);
  }
}

const changed = (given: Pin): MozaikError =>
  new MozaikError(
    'PARTY_NOT_PINNED',
    `party ${toHex(given.value.party)}: another descriptor is pinned`,
  );
