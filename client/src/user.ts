/** A user as the agent holds it in memory: who they are, and the keys that results are sealed to. */
import { createIdentity, createSealKeys, type Identity, type SealKeys } from '@mozaik/protocol';

export interface User {
  /** Signs consents, revocations and logins. */
  identity: Identity;
  /** Opens results. */
  resultKeys: SealKeys;
}

/**
 * Makes a user's keys from two seeds of 32 bytes.
 * @throws Error when a seed has another length
 */
export function createUser(signingSeed: Uint8Array, sealSeed: Uint8Array): User {
  return { identity: createIdentity(signingSeed), resultKeys: createSealKeys(sealSeed) };
}
