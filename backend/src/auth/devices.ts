/** Devices of a user. A device's record holds the id of its only valid token. */
import { randomBytes } from 'node:crypto';
import { fromHex, DEVICE_ID_BYTES, MozaikError } from '@mozaik/protocol';
import { DEVICES_PER_USER_MAX } from '../limits.ts';
import type { Database, DeviceRecord } from '../store/database.ts';
import { key, withPrefix } from '../store/keys.ts';

export class Devices {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /**
   * Registers a device, or renews its token: an earlier one is worth nothing from then on.
   * @returns the id that its token has to carry
   * @throws MozaikError CONFLICT when the user has {@link DEVICES_PER_USER_MAX} devices
   */
  async register(user: string, device: string, name: string): Promise<string> {
    const known = await this.list(user);
    const isKnown = known.some((record) => Buffer.from(record.device).toString('hex') === device);
    if (!isKnown && known.length >= DEVICES_PER_USER_MAX) {
      throw new MozaikError('CONFLICT', `a user has at most ${DEVICES_PER_USER_MAX} devices`);
    }
    const token = randomBytes(16).toString('hex');
    const record = { device: fromHex(device, DEVICE_ID_BYTES), name, token };
    await this.#db.write([this.#db.devices.put(key(user, device), record)]);
    return token;
  }

  async list(user: string): Promise<DeviceRecord[]> {
    const records: DeviceRecord[] = [];
    for await (const [, record] of this.#db.devices.entries(withPrefix(user))) records.push(record);
    return records;
  }

  /** @throws MozaikError NOT_FOUND */
  async remove(user: string, device: string): Promise<void> {
    await this.require(user, device);
    await this.#db.write([this.#db.devices.delete(key(user, device))]);
  }

  /** @throws MozaikError NOT_FOUND */
  async require(user: string, device: string): Promise<void> {
    const record = await this.#db.devices.get(key(user, device));
    if (record === undefined) throw new MozaikError('NOT_FOUND', `device ${device}`);
  }

  /** Synchronous, so that nothing can happen between this check and what follows it. */
  isCurrentToken(user: string, device: string, token: string): boolean {
    return this.#db.devices.getSync(key(user, device))?.token === token;
  }
}
