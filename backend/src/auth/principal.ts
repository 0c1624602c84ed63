/** Who a verified token speaks for. Ids are lower-case hexadecimal. */
export const ROLES = ['user', 'party', 'provider', 'device'] as const;
export type Role = (typeof ROLES)[number];

export interface Principal {
  role: Role;
  /** The subject's own id. */
  id: string;
  /** The user whom the subject acts for: a device's owner, else the subject itself. */
  user: string;
  /** Id of the token. */
  token: string;
  /** When the token ends, ms since 1970. */
  expires: number;
}
