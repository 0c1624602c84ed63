/**
 * A holder for secret bytes that cannot be printed by accident: `inspect`, JSON, string conversion
 * and error messages show a placeholder. The bytes leave through {@link Secret.expose} only.
 */
const REDACTED = '[secret]';

export class Secret {
  readonly #bytes: Uint8Array;
  #wiped = false;

  /** Takes ownership of `bytes`: the caller keeps no other reference. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get length(): number {
    return this.#bytes.length;
  }

  /**
   * The bytes themselves, not a copy: do not keep them.
   * @throws TypeError after {@link Secret.wipe}
   */
  expose(): Uint8Array {
    if (this.#wiped) throw new TypeError('this secret has been wiped');
    return this.#bytes;
  }

  /** Overwrites the bytes with zeros; the secret is unusable afterwards. */
  wipe(): void {
    this.#bytes.fill(0);
    this.#wiped = true;
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return REDACTED;
  }
}
