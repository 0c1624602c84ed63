/** The server's view of the backend: the routes of `docs/api.md` that a server alone calls. */
import { ComputeBackend, FRAMING_BYTES } from '@mozaik/client/compute-backend';
import {
  EVALUATION_KEYS_MAX_BYTES,
  FRAME_OVERHEAD_BYTES,
  MODEL_SHARE_MAX_BYTES,
  REQUEST_MAX_BYTES,
  toHex,
} from '@mozaik/protocol';

export class Backend extends ComputeBackend {
  /** The sealed model. */
  sealedModel(hash: Uint8Array): Promise<Uint8Array> {
    return this.get(`/v1/models/${toHex(hash)}/share`, MODEL_SHARE_MAX_BYTES + FRAMING_BYTES);
  }

  /** The frame with the user's request. */
  ciphertexts(job: Uint8Array): Promise<Uint8Array> {
    const limit = REQUEST_MAX_BYTES + FRAME_OVERHEAD_BYTES;
    return this.get(`/v1/jobs/${toHex(job)}/ciphertexts`, limit);
  }

  /** The frame with a user's evaluation keys. */
  evaluationKeys(user: Uint8Array): Promise<Uint8Array> {
    const limit = EVALUATION_KEYS_MAX_BYTES + FRAME_OVERHEAD_BYTES;
    return this.get(`/v1/evaluation-keys/${toHex(user)}`, limit);
  }
}
