/** Health, challenges and tokens: what anyone may call. */
import type { FastifyInstance } from 'fastify';
import { verifyLogin } from '../../auth/login.ts';
import { SIGNED_MAX_BYTES } from '../../limits.ts';
import { bytesOf } from '../bodies.ts';
import { perMinute } from '../rate.ts';
import { cbor, hash, object, problem, timestamp } from '../schemas.ts';
import type { Services } from '../services.ts';

const tags = ['sessions'];
const security: [] = [];

export function sessionRoutes(app: FastifyInstance, services: Services): void {
  const { config, challenges, tokens, metrics } = services;
  const { audience, limits } = config;

  app.get(
    '/healthz',
    {
      config: { access: 'anyone' },
      schema: {
        summary: 'Whether the backend runs',
        tags,
        security,
        response: { 200: object({ status: { type: 'string' } }) },
      },
    },
    (_request, reply) => reply.send({ status: 'ok' }),
  );

  app.get('/metrics', { config: { access: 'anyone' }, schema: { hide: true } }, (_request, reply) =>
    reply.type('text/plain; version=0.0.4').send(metrics.toString()),
  );

  app.post(
    '/v1/challenges',
    {
      config: { access: 'anyone', ...perMinute(limits.loginsPerMinute) },
      schema: {
        summary: 'Get a challenge to log in with',
        tags,
        security,
        response: {
          200: object({ challenge: hash, audience: { type: 'string' } }),
          '4xx': problem,
        },
      },
    },
    (_request, reply) => reply.send({ challenge: challenges.issue(), audience }),
  );

  app.post(
    '/v1/tokens',
    {
      config: { access: 'anyone', ...perMinute(limits.loginsPerMinute) },
      bodyLimit: SIGNED_MAX_BYTES,
      schema: {
        summary: 'Exchange a signed login for a token',
        tags,
        security,
        body: cbor('Signed login'),
        response: {
          200: object({ token: { type: 'string' }, expires: timestamp }),
          '4xx': problem,
        },
      },
    },
    async (request, reply) => {
      const { id, role } = verifyLogin(bytesOf(request.body), challenges, audience);
      return reply.header('cache-control', 'no-store').send(await tokens.issue(role, id));
    },
  );
}
