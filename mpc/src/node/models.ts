/** Opened model shares, kept between jobs: the parties hold shares of a model as long as they run. */
import {
  openModelShare,
  toHex,
  type Consent,
  type ModelDescriptor,
  type ModelShare,
  type SealKeys,
} from '@mozaik/protocol';
import type { PartyIndex } from '../engine/channel.ts';
import { WORD_BYTES } from '../engine/ring.ts';
import { parameterCount } from '../model.ts';
import { checkModel } from './assignment.ts';
import type { Backend } from './backend.ts';

/** Models kept at once: bounds memory. */
const MODELS_MAX = 8;

export interface OpenedModel {
  signed: Uint8Array;
  descriptor: ModelDescriptor;
  share: ModelShare;
}

export class Models {
  readonly #backend: Backend;
  readonly #seal: SealKeys;
  readonly #opened = new Map<string, OpenedModel>();

  constructor(backend: Backend, seal: SealKeys) {
    this.#backend = backend;
    this.#seal = seal;
  }

  /**
   * The model that a consent names, checked against it and against its commitments.
   * @throws MozaikError MODEL_UNKNOWN, CONSENT_MISMATCH, SHARE_UNREADABLE, SIGNATURE_INVALID
   */
  async get(consent: Consent, index: PartyIndex): Promise<OpenedModel> {
    const key = toHex(consent.model);
    const held = this.#opened.get(key);
    const signed = held?.signed ?? (await this.#backend.model(consent.model));
    const descriptor = checkModel(signed, consent);
    if (held) return held;
    const share = openModelShare(
      this.#seal,
      descriptor,
      index,
      parameterCount(descriptor) * WORD_BYTES,
      await this.#backend.modelShare(consent.model),
    );
    if (this.#opened.size >= MODELS_MAX) {
      // Forgotten but not wiped: a running job may still compute with it.
      const [oldest] = this.#opened.keys();
      this.#opened.delete(oldest);
    }
    const opened = { signed, descriptor, share };
    this.#opened.set(key, opened);
    return opened;
  }

  wipe(): void {
    for (const { share } of this.#opened.values()) {
      share.first.wipe();
      share.second.wipe();
    }
    this.#opened.clear();
  }
}
