/**
 * Revocations that a node has seen (Node), remembered in a file of mode 0600: hash of the consent and id of
 * the user in hexadecimal on each line, appended.
 */
import path from 'node:path';
import { HASH_BYTES, ID_BYTES, toHex } from '@mozaik/protocol';
import { appendPrivate, readPrivate } from './private-file.ts';

const REVOCATIONS_FILE = 'revocations.log';
/** Most revocations remembered: stops a backend that invents them from filling disk and memory. */
const REVOCATIONS_MAX = 100_000;

/** Consents that may not be used any more, with the id of who revoked each. */
export class Revocations {
  readonly #file: string;
  readonly #seen: Set<string>;

  private constructor(file: string, seen: Iterable<string>) {
    this.#file = file;
    this.#seen = new Set(seen);
  }

  /** @param folder of the node, which has made it for its owner alone */
  static async open(folder: string): Promise<Revocations> {
    const file = path.join(folder, REVOCATIONS_FILE);
    const lines = new TextDecoder().decode(await readPrivate(file)).split('\n');
    // A line cut short by a crash was never acted upon; the backend sends it again.
    const whole = lines.filter((line) => line.length === 2 * (HASH_BYTES + ID_BYTES) + 1);
    return new Revocations(file, whole);
  }

  async add(consent: Uint8Array, user: Uint8Array): Promise<void> {
    const line = `${toHex(consent)} ${toHex(user)}`;
    if (this.#seen.has(line) || this.#seen.size >= REVOCATIONS_MAX) return;
    this.#seen.add(line);
    // Led by its newline, so that what a crash cut short does not swallow the next one.
    await appendPrivate(this.#file, new TextEncoder().encode(`\n${line}`));
  }

  /** Whether this user, the consent's own, has revoked it. */
  has(consent: Uint8Array, user: Uint8Array): boolean {
    return this.#seen.has(`${toHex(consent)} ${toHex(user)}`);
  }
}
