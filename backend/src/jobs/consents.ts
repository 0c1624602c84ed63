/** The consent book: accepts consents, keeps their sealed shares, and removes these when they end. */
import {
  checkInForce,
  consentSubmission,
  decodeCanonical,
  equalBytes,
  HASH_BYTES,
  HOMOMORPHIC,
  isSealedModel,
  MozaikError,
  REVOCATION,
  toHex,
  verify,
  verifyConsent,
  type Consent,
  type Revocation,
} from '@mozaik/protocol';
import type { Principal } from '../auth/principal.ts';
import type { Devices } from '../auth/devices.ts';
import { ACTIVE_CONSENTS_PER_USER_MAX } from '../limits.ts';
import type { ConsentRecord, ConsentState, Database } from '../store/database.ts';
import { key, uint48, withPrefix } from '../store/keys.ts';
import type { Write } from '../store/table.ts';

const NOTHING = new Uint8Array(0);

const unknown = () => new MozaikError('NOT_FOUND', 'consent');

/** Position of a party in a consent, -1 when it is not named. */
export const positionOf = (consent: Consent, party: string): number =>
  consent.parties.findIndex(({ id }) => toHex(id) === party);

/** Whether the consent is for one server that computes on homomorphic ciphertexts. */
export const isHomomorphic = ({ protocol }: Consent): boolean => protocol === HOMOMORPHIC;

export class Consents {
  readonly #db: Database;
  readonly #devices: Devices;
  readonly #now: () => number;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(db: Database, devices: Devices, now: () => number) {
    this.#db = db;
    this.#devices = devices;
    this.#now = now;
  }

  /**
   * Verifies and stores a consent and its sealed shares. The same consent again changes nothing.
   *
   * @returns its record
   * @throws MozaikError ENCODING_INVALID, SIGNATURE_INVALID, FORBIDDEN, NOT_FOUND, CONSENT_EXPIRED,
   *   CONSENT_REVOKED, PARTY_NOT_PINNED, MODEL_UNKNOWN, CONFLICT
   */
  async submit(user: string, submission: Uint8Array): Promise<ConsentRecord> {
    const { consent: signed, shares } = decodeCanonical(
      submission,
      consentSubmission,
      'consent submission',
    );
    const { value: consent, hash } = verifyConsent(signed);
    if (toHex(consent.user) !== user) {
      throw new MozaikError('FORBIDDEN', 'the consent is of another user');
    }
    // A server for homomorphic ciphertexts gets no share of a key.
    const expected = isHomomorphic(consent) ? 0 : consent.parties.length;
    if (shares.length !== expected) {
      throw new MozaikError('ENCODING_INVALID', 'there is not one sealed share for each party');
    }
    // One at a time: the same consent twice at once must not overwrite what became of the first.
    const accepted = this.#turn.then(() => this.#accept(user, { hash, consent, signed }, shares));
    this.#turn = accepted.catch(() => undefined);
    return accepted;
  }

  async #accept(
    user: string,
    { hash, consent, signed }: Pick<ConsentRecord, 'hash' | 'consent' | 'signed'>,
    shares: Uint8Array[],
  ): Promise<ConsentRecord> {
    const known = await this.#db.consents.get(hash);
    if (known !== undefined) {
      const state = this.stateOf(known);
      if (state === 'revoked') throw new MozaikError('CONSENT_REVOKED');
      if (state === 'expired') throw new MozaikError('CONSENT_EXPIRED');
      return known;
    }
    if (this.#now() >= consent.expires) throw new MozaikError('CONSENT_EXPIRED');
    await this.#devices.require(user, toHex(consent.device));
    await this.#checkParties(consent);
    await this.#checkModel(consent);
    await this.#checkQuota(user);

    const created = this.#now();
    const record: ConsentRecord = { hash, consent, signed, state: 'active', created };
    await this.#db.write([
      this.#db.consents.put(hash, record),
      this.#db.consentsByUser.put(key(user, hash), NOTHING),
      this.#db.expiries.put(key(uint48(consent.expires), hash), NOTHING),
      ...shares.map((share, i) => this.#db.shares.put(key(hash, Uint8Array.of(i)), share)),
    ]);
    return record;
  }

  async #checkParties(consent: Consent): Promise<void> {
    const records = await this.#db.parties.getMany(consent.parties.map(({ id }) => id));
    consent.parties.forEach(({ id, descriptor }, i) => {
      const record = records[i];
      if (record === undefined || !equalBytes(record.descriptor, descriptor)) {
        throw new MozaikError('PARTY_NOT_PINNED', `party ${toHex(id)}`);
      }
    });
  }

  async #checkModel(consent: Consent): Promise<void> {
    const descriptor = (await this.#db.models.get(consent.model))?.descriptor;
    if (
      !descriptor ||
      isSealedModel(descriptor) !== isHomomorphic(consent) ||
      !consent.parties.every(({ id }, i) => equalBytes(id, descriptor.parties[i]))
    ) {
      throw new MozaikError('MODEL_UNKNOWN', toHex(consent.model));
    }
  }

  async #checkQuota(user: string): Promise<void> {
    const active = (await this.list(user)).filter((record) => this.stateOf(record) === 'active');
    if (active.length >= ACTIVE_CONSENTS_PER_USER_MAX) {
      throw new MozaikError(
        'CONFLICT',
        `a user has at most ${ACTIVE_CONSENTS_PER_USER_MAX} active consents`,
      );
    }
  }

  async list(user: string): Promise<ConsentRecord[]> {
    const hashes: Uint8Array[] = [];
    for await (const [at] of this.#db.consentsByUser.entries(withPrefix(user))) {
      hashes.push(at.slice(-HASH_BYTES));
    }
    const records = await this.#db.consents.getMany(hashes);
    return records.filter((record) => record !== undefined);
  }

  /** @throws MozaikError NOT_FOUND */
  async get(hash: Uint8Array): Promise<ConsentRecord> {
    const record = await this.#db.consents.get(hash);
    if (record === undefined) throw unknown();
    return record;
  }

  /**
   * A consent that the caller is part of. Others' consents answer as if they did not exist.
   * @throws MozaikError NOT_FOUND
   */
  async getFor(principal: Principal, hash: Uint8Array): Promise<ConsentRecord> {
    const record = await this.get(hash);
    const { consent } = record;
    const isPart =
      principal.role === 'user'
        ? toHex(consent.user) === principal.id
        : principal.role === 'party' && positionOf(consent, principal.id) >= 0;
    if (!isPart) throw unknown();
    return record;
  }

  /** The state by the clock: an active consent is expired from `expires` on. */
  stateOf({ state, consent }: ConsentRecord): ConsentState {
    return state === 'active' && this.#now() >= consent.expires ? 'expired' : state;
  }

  /** @throws MozaikError CONSENT_REVOKED, CONSENT_EXPIRED */
  checkUsable(record: ConsentRecord): void {
    if (record.state === 'revoked') throw new MozaikError('CONSENT_REVOKED');
    if (record.state === 'expired') throw new MozaikError('CONSENT_EXPIRED');
    checkInForce(record.consent, this.#now());
  }

  /** The sealed share of a party. @throws MozaikError NOT_FOUND, CONSENT_REVOKED, CONSENT_EXPIRED */
  async share(principal: Principal, hash: Uint8Array): Promise<Uint8Array> {
    const record = await this.getFor(principal, hash);
    this.checkUsable(record);
    const position = positionOf(record.consent, principal.id);
    const share = await this.#db.shares.get(key(hash, Uint8Array.of(position)));
    if (share === undefined) throw new MozaikError('NOT_FOUND', 'the share was deleted');
    return share;
  }

  /**
   * Verifies a signed revocation.
   * @throws MozaikError ENCODING_INVALID, SIGNATURE_INVALID, FORBIDDEN, NOT_FOUND
   */
  async verifyRevocation(user: string, signed: Uint8Array): Promise<Revocation> {
    const { value, signer } = verify(REVOCATION, signed);
    if (toHex(signer) !== user) {
      throw new MozaikError('FORBIDDEN', 'the revocation is signed by another user');
    }
    const { consent } = await this.get(value.consent);
    if (toHex(consent.user) !== user) throw unknown();
    return value;
  }

  /**
   * Ends a consent: from then on no share is given out. {@link Consents.eraseShares} comes next.
   * @param others changes that belong to the same write
   */
  async end(
    record: ConsentRecord,
    state: Exclude<ConsentState, 'active'>,
    others: Write[],
  ): Promise<void> {
    await this.#db.write([
      this.#db.consents.put(record.hash, { ...record, state }),
      ...this.#shareDeletions(record),
      ...others,
    ]);
  }

  /** Removes the sealed shares of an ended consent from the files of the store. */
  eraseShares(record: ConsentRecord): Promise<void> {
    return this.#db.eraseShares(this.#shareDeletions(record));
  }

  #shareDeletions({ hash, consent }: ConsentRecord): Write[] {
    return consent.parties.map((_, i) => this.#db.shares.delete(key(hash, Uint8Array.of(i))));
  }

  /** Forgets what was kept of an ended consent until its expiry. */
  async forget({ hash, consent }: ConsentRecord): Promise<void> {
    await this.#db.write([
      this.#db.expiries.delete(key(uint48(consent.expires), hash)),
      ...consent.parties.map(({ id }) => this.#db.revocations.delete(key(toHex(id), hash))),
    ]);
  }

  /** Consents that are not forgotten and expire by `to`, whatever their state, soonest first. */
  async expiring(to: number): Promise<ConsentRecord[]> {
    const hashes: Uint8Array[] = [];
    const range = { gte: NOTHING, lte: key(uint48(to), Buffer.alloc(HASH_BYTES, 0xff)) };
    for await (const [at] of this.#db.expiries.entries(range)) hashes.push(at.slice(-HASH_BYTES));
    const records = await this.#db.consents.getMany(hashes);
    return records.filter((record) => record !== undefined);
  }
}
