/** A streaming consent for each simulated board, renewed for as long as the board runs. */
import { giveConsent, type Device } from '@mozaik/client';
import { equalBytes, verifyConsent, type Consent } from '@mozaik/protocol';
import type { Household } from '../stack/household.ts';

const HOUR_MS = 3_600_000;
/** Window of one consent. With a day more for late samples, a board has four that are active at most. */
export const WINDOW_MS = 12 * HOUR_MS;
/** The next window is consented to this long before the current one ends. */
export const RENEW_BEFORE_MS = 600_000;
/** Wait after a renewal that failed. */
export const RETRY_MS = 30_000;

/** The stream that simulated boards publish. */
export const STREAM = 0;

/** Keeps time consented to, window after window, without gap or overlap. */
export class ConsentKeeper {
  #until: number;
  readonly #give: (from: number, to: number) => Promise<void>;
  #retryAt = 0;

  /**
   * @param until end of what was consented to earlier, ms since 1970; 0 if nothing was
   * @param give consents to samples with `from <= time < to`
   */
  constructor(until: number, give: (from: number, to: number) => Promise<void>) {
    this.#until = until;
    this.#give = give;
  }

  /**
   * Sees to it that samples taken at `now` are consented to, and those of the next minutes.
   * @returns whether a consent was given
   * @throws whatever `give` throws; calls after {@link RETRY_MS} try again
   */
  async cover(now: number): Promise<boolean> {
    if (this.#until - now > RENEW_BEFORE_MS || now < this.#retryAt) return false;
    this.#retryAt = now + RETRY_MS;
    const from = Math.max(now, this.#until);
    await this.#give(from, from + WINDOW_MS);
    this.#until = from + WINDOW_MS;
    this.#retryAt = 0;
    return true;
  }
}

/** The user's streaming consents that are in force, wherever their windows are. */
export async function activeConsents({ api, user }: Household): Promise<Consent[]> {
  const active: Consent[] = [];
  for (const { consent, mode, state } of await api.consents()) {
    if (mode !== 'streaming' || state !== 'active') continue;
    const { value, signer, hash } = verifyConsent(await api.consent(consent));
    if (equalBytes(signer, user.identity.id) && equalBytes(hash, consent)) active.push(value);
  }
  return active;
}

/** A keeper of one device's stream that goes on where the last of the `active` consents ends. */
export function consentKeeper(
  household: Household,
  device: Device,
  active: Consent[],
): ConsentKeeper {
  const { api, user, pins, parties, modelHash } = household;
  const ends = active
    .filter(
      (consent) =>
        equalBytes(consent.device, device.id) &&
        consent.stream === STREAM &&
        equalBytes(consent.model, modelHash),
    )
    .map(({ to }) => to);
  return new ConsentKeeper(Math.max(0, ...ends), async (from, to) => {
    const request = { stream: STREAM, from, to, parties, model: modelHash };
    await giveConsent(api, user, device, pins, { mode: 'streaming', ...request });
  });
}
