/**
 * Tokens: JWTs (RFC 7519) that this backend issues, and those of one external OpenID Connect issuer.
 * Algorithms are pinned per issuer (RFC 8725, section 3.1): the token's own header decides nothing.
 */
import { randomBytes } from 'node:crypto';
import { createRemoteJWKSet, decodeJwt, jwtVerify, SignJWT, type JWTPayload } from 'jose';
import { DEVICE_ID_BYTES, ID_BYTES, MozaikError } from '@mozaik/protocol';
import type { Config, OidcOptions } from '../config.ts';
import { DEVICE_TOKEN_TTL_S, TOKEN_MAX_CHARS, TOKEN_TTL_S } from '../limits.ts';
import { ISSUER_ALGORITHM, type IssuerKey } from './issuer-key.ts';
import type { Principal, Role } from './principal.ts';

/** Signature algorithms accepted from an external issuer: asymmetric ones only. */
const EXTERNAL_ALGORITHMS = ['EdDSA', 'Ed25519', 'ES256', 'ES384', 'PS256', 'RS256'];
/** How far an external issuer's clock may be off, s. */
const CLOCK_TOLERANCE_S = 5;
const TOKEN_TYPE = 'at+jwt';

/** Whether a device's token is the one on its record. */
export type DeviceTokenCheck = (user: string, device: string, token: string) => boolean;

const isHex = (value: unknown, length: number): value is string =>
  typeof value === 'string' && value.length === 2 * length && /^[0-9a-f]+$/.test(value);

const invalid = (detail: string) => new MozaikError('AUTH_INVALID', detail);

export class Tokens {
  readonly #config: Config;
  readonly #key: IssuerKey;
  readonly #isCurrentDevice: DeviceTokenCheck;
  readonly #external: (OidcOptions & { keys: ReturnType<typeof createRemoteJWKSet> }) | undefined;

  constructor(config: Config, key: IssuerKey, isCurrentDevice: DeviceTokenCheck) {
    this.#config = config;
    this.#key = key;
    this.#isCurrentDevice = isCurrentDevice;
    const { oidc } = config;
    this.#external = oidc && { ...oidc, keys: createRemoteJWKSet(new URL(oidc.jwksUrl)) };
  }

  /** A token for a user, party or provider. @throws MozaikError FORBIDDEN for a party not allowed */
  issue(role: Exclude<Role, 'device'>, id: string): Promise<{ token: string; expires: number }> {
    this.#checkAllowed(role, id);
    return this.#sign(id, { role }, randomBytes(16).toString('hex'), TOKEN_TTL_S);
  }

  /** A device's token; `tokenId` goes on the device's record. */
  async issueDevice(user: string, device: string, tokenId: string): Promise<string> {
    const claims = { role: 'device', user };
    return (await this.#sign(device, claims, tokenId, DEVICE_TOKEN_TTL_S)).token;
  }

  async #sign(subject: string, claims: JWTPayload, tokenId: string, ttl: number) {
    const { audience, now } = this.#config;
    const issued = Math.floor(now() / 1000);
    const token = await new SignJWT(claims)
      .setProtectedHeader({ alg: ISSUER_ALGORITHM, typ: TOKEN_TYPE })
      .setIssuer(audience)
      .setAudience(audience)
      .setSubject(subject)
      .setJti(tokenId)
      .setIssuedAt(issued)
      .setExpirationTime(issued + ttl)
      .sign(this.#key.privateKey);
    return { token, expires: (issued + ttl) * 1000 };
  }

  /** @throws MozaikError AUTH_INVALID, FORBIDDEN */
  async verify(token: string): Promise<Principal> {
    if (token.length > TOKEN_MAX_CHARS) throw invalid('the token is too long');
    const principal = this.#isExternal(token)
      ? await this.#verifyExternal(token)
      : await this.#verifyOwn(token);
    this.#checkAllowed(principal.role, principal.id);
    this.checkCurrent(principal);
    return principal;
  }

  /** Checks again that a device's token was not revoked. @throws MozaikError AUTH_INVALID */
  checkCurrent({ role, user, id, token }: Principal): void {
    if (role === 'device' && !this.#isCurrentDevice(user, id, token)) {
      throw invalid("the device's token was revoked");
    }
  }

  #checkAllowed(role: Role, id: string): void {
    const { allowedParties } = this.#config;
    if (role === 'party' && allowedParties && !allowedParties.includes(id)) {
      throw new MozaikError('FORBIDDEN', 'this party is not allowed here');
    }
  }

  /** Which issuer a token claims to be from only chooses the key that it is verified with. */
  #isExternal(token: string): boolean {
    try {
      return this.#external !== undefined && decodeJwt(token).iss === this.#external.issuer;
    } catch {
      return false;
    }
  }

  async #verifyOwn(token: string): Promise<Principal> {
    const { audience, now } = this.#config;
    const { payload } = await jwtVerify(token, this.#key.publicKey, {
      algorithms: [ISSUER_ALGORITHM],
      typ: TOKEN_TYPE,
      issuer: audience,
      audience,
      requiredClaims: ['sub', 'exp', 'jti', 'role'],
      currentDate: new Date(now()),
    }).catch(() => {
      throw invalid('the token does not verify');
    });
    const { sub, jti = '', exp = 0, role, user } = payload;
    const common = { token: jti, expires: exp * 1000 };
    if (role === 'device' && isHex(sub, DEVICE_ID_BYTES) && isHex(user, ID_BYTES)) {
      return { ...common, role, id: sub, user };
    }
    return { ...common, ...subject(role, sub) };
  }

  async #verifyExternal(token: string): Promise<Principal> {
    const { issuer, audience, keys, roleClaim, idClaim } = this.#external!;
    const { payload } = await jwtVerify(token, keys, {
      algorithms: EXTERNAL_ALGORITHMS,
      issuer,
      audience,
      requiredClaims: ['exp'],
      clockTolerance: CLOCK_TOLERANCE_S,
      currentDate: new Date(this.#config.now()),
    }).catch(() => {
      throw invalid('the token does not verify');
    });
    const { exp = 0, jti = '' } = payload;
    const named = subject(payload[roleClaim], payload[idClaim]);
    return { ...named, token: jti, expires: exp * 1000 };
  }
}

function subject(role: unknown, id: unknown): Pick<Principal, 'role' | 'id' | 'user'> {
  if ((role !== 'user' && role !== 'party' && role !== 'provider') || !isHex(id, ID_BYTES)) {
    throw invalid('the token names no known role and id');
  }
  return { role, id, user: id };
}
