/** Login: proof that someone holds an identity's key now, exchanged for a token of the backend. */
import { ID_BYTES } from './identity.ts';
import { bytes, oneOf, struct, text, type Infer } from './schema.ts';
import type { ObjectType } from './signed.ts';

export const CHALLENGE_BYTES = 32;

const schema = struct({
  v: oneOf(1),
  /** Id of who logs in and signs. */
  id: bytes(ID_BYTES),
  role: oneOf('user', 'party', 'provider'),
  /** The backend's audience name: a login for one backend is worth nothing at another. */
  audience: text(255),
  /** The challenge that the backend gave out, used once. */
  challenge: bytes(CHALLENGE_BYTES),
});

export type Login = Infer<typeof schema>;

export const LOGIN: ObjectType<Login> = { label: 'mozaik/login/1', schema };
