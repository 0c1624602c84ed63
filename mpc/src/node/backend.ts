/** The party's view of the backend: the routes of `docs/api.md` that one of three parties alone calls. */
import { ComputeBackend, FRAMING_BYTES, SIGNED_MAX_BYTES } from '@mozaik/client/compute-backend';
import {
  decodeCanonical,
  ENVELOPE_MAX_BYTES,
  JOB_MAX_SAMPLES,
  jobSamples,
  MODEL_SHARE_MAX_BYTES,
  SEALED_SHARE_MAX_BYTES,
  toHex,
} from '@mozaik/protocol';

export class Backend extends ComputeBackend {
  /** The signed descriptor of a party. */
  descriptor(party: Uint8Array): Promise<Uint8Array> {
    return this.get(`/v1/parties/${toHex(party)}`, SIGNED_MAX_BYTES);
  }

  /** This party's sealed key share. */
  keyShare(consent: Uint8Array): Promise<Uint8Array> {
    return this.get(`/v1/consents/${toHex(consent)}/share`, SEALED_SHARE_MAX_BYTES);
  }

  /** This party's sealed model share. */
  modelShare(hash: Uint8Array): Promise<Uint8Array> {
    return this.get(`/v1/models/${toHex(hash)}/share`, 2 * MODEL_SHARE_MAX_BYTES + FRAMING_BYTES);
  }

  /** The envelopes of a job, in its order. */
  async samples(job: Uint8Array): Promise<Uint8Array[]> {
    const limit = JOB_MAX_SAMPLES * (ENVELOPE_MAX_BYTES + 4) + FRAMING_BYTES;
    const body = await this.get(`/v1/jobs/${toHex(job)}/samples`, limit);
    return decodeCanonical(body, jobSamples, 'job samples').envelopes;
  }
}
