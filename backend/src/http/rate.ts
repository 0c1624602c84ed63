/** Rate limits: by subject where there is a valid token, else by address. */
import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { MozaikError } from '@mozaik/protocol';
import type { LimitOptions } from '../config.ts';

const MINUTE_MS = 60_000;
/** Callers that are counted at once; the least recent is forgotten: bounds the memory. */
const CALLERS_MAX = 20_000;

const keyOf = ({ caller, ip }: FastifyRequest): string =>
  caller instanceof MozaikError ? `ip:${ip}` : `${caller.role}:${caller.user}:${caller.id}`;

export async function limitRates(app: FastifyInstance, limits: LimitOptions): Promise<void> {
  await app.register(rateLimit, {
    cache: CALLERS_MAX,
    timeWindow: MINUTE_MS,
    keyGenerator: keyOf,
    max: ({ caller }) => {
      if (caller instanceof MozaikError) return limits.anonymousRequestsPerMinute;
      return caller.role === 'party' ? limits.partyRequestsPerMinute : limits.requestsPerMinute;
    },
    errorResponseBuilder: () => new MozaikError('RATE_LIMITED'),
  });
  app.setNotFoundHandler({ preHandler: app.rateLimit() }, () => {
    throw new MozaikError('NOT_FOUND', 'no such route');
  });
}

/** For routes that cost a signature check. */
export const perMinute = (max: number) => ({ rateLimit: { max, timeWindow: MINUTE_MS } });
