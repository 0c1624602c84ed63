/** The HTTP interface, described in docs/api.md and as OpenAPI under /docs. */
import { randomUUID } from 'node:crypto';
import fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify';
import type { Config } from '../config.ts';
import { JSON_BODY_MAX_BYTES } from '../limits.ts';
import { enforceAccess, identifyCallers } from './access.ts';
import { parseBytes } from './bodies.ts';
import { addDocumentation } from './docs.ts';
import { refuseConnection, sendProblem } from './problem.ts';
import { limitRates } from './rate.ts';
import { ciphertextRoutes } from './routes/ciphertexts.ts';
import { consentRoutes } from './routes/consents.ts';
import { deviceRoutes } from './routes/devices.ts';
import { jobRoutes } from './routes/jobs.ts';
import { modelRoutes } from './routes/models.ts';
import { partyRoutes } from './routes/parties.ts';
import { sessionRoutes } from './routes/sessions.ts';
import type { Services } from './services.ts';

/** An idle connection is closed after this time, ms: it holds a slot. */
const IDLE_TIMEOUT_MS = 60_000;

/** The bare server: its logger is used everywhere, so it comes first. */
export function createApp(config: Config): FastifyInstance {
  const { limits, tls, logLevel } = config;
  const http = {
    headersTimeout: limits.headersTimeoutMs,
    // Node looks for requests that take too long only this often.
    connectionsCheckingInterval: Math.min(limits.headersTimeoutMs, 5000),
  };
  const options = {
    logger: logLevel === 'silent' ? false : { level: logLevel, stream: process.stderr },
    genReqId: () => randomUUID(),
    bodyLimit: JSON_BODY_MAX_BYTES,
    requestTimeout: limits.requestTimeoutMs,
    connectionTimeout: IDLE_TIMEOUT_MS,
    keepAliveTimeout: IDLE_TIMEOUT_MS,
    forceCloseConnections: true,
    // Unknown fields are refused, not silently removed; numbers in queries arrive as text.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: true, useDefaults: true } },
    clientErrorHandler: refuseConnection,
    frameworkErrors: (error, request, reply) => void sendProblem(error, request, reply),
  } satisfies FastifyServerOptions;
  const app = (tls === undefined
    ? fastify({ ...options, http })
    : fastify({
        ...options,
        https: { ...http, ...tls, minVersion: 'TLSv1.2' },
      })) as unknown as FastifyInstance;
  app.server.maxConnections = limits.httpConnections;
  return app;
}

/** Puts all routes on the server. */
export async function addRoutes(app: FastifyInstance, services: Services): Promise<void> {
  const { config, tokens } = services;
  app.setErrorHandler(sendProblem);
  parseBytes(app);
  identifyCallers(app, tokens);
  await limitRates(app, config.limits);
  await addDocumentation(app);
  await app.register((api, _options, done) => {
    enforceAccess(api);
    const groups = [
      sessionRoutes,
      partyRoutes,
      modelRoutes,
      deviceRoutes,
      consentRoutes,
      jobRoutes,
      ciphertextRoutes,
    ];
    for (const addGroup of groups) addGroup(api, services);
    done();
  });
}
