/** Consents, their sealed key shares, and revocations. */
import type { FastifyInstance } from 'fastify';
import { toHex } from '@mozaik/protocol';
import { CONSENT_MAX_BYTES, SIGNED_MAX_BYTES } from '../../limits.ts';
import { callerOf } from '../access.ts';
import { bytesFrom, bytesOf, sendOctets, sendSigned } from '../bodies.ts';
import { perMinute } from '../rate.ts';
import * as schemas from '../schemas.ts';
import type { Services } from '../services.ts';

const { cbor, consentState, hash, listOf, noContent, object, octets, problem, timestamp } = schemas;
const tags = ['consents'];
const params = object({ hash });

export function consentRoutes(app: FastifyInstance, services: Services): void {
  const { consents, scheduler, config } = services;
  const submissions = perMinute(config.limits.submissionsPerMinute);

  app.post(
    '/v1/consents',
    {
      config: { access: ['user'], ...submissions },
      bodyLimit: CONSENT_MAX_BYTES,
      schema: {
        summary: 'Submit a signed consent and its sealed key shares',
        tags,
        body: cbor('consentSubmission'),
        response: { 200: object({ consent: hash }), '4xx': problem },
      },
    },
    async (request, reply) => {
      const record = await consents.submit(callerOf(request).user, bytesOf(request.body));
      if (record.state === 'active') await scheduler.activate(record);
      return reply.send({ consent: toHex(record.hash) });
    },
  );

  app.get(
    '/v1/consents',
    {
      config: { access: ['user'] },
      schema: {
        summary: "List the caller's consents",
        tags,
        response: {
          200: object({
            consents: listOf(
              object({
                consent: hash,
                mode: { type: 'string', enum: ['once', 'streaming'] },
                state: consentState,
                expires: timestamp,
              }),
            ),
          }),
          '4xx': problem,
        },
      },
    },
    async (request, reply) => {
      const records = await consents.list(callerOf(request).user);
      const list = records.map((record) => ({
        consent: toHex(record.hash),
        mode: record.consent.mode,
        state: consents.stateOf(record),
        expires: record.consent.expires,
      }));
      return reply.send({ consents: list });
    },
  );

  app.get<{ Params: { hash: string } }>(
    '/v1/consents/:hash',
    {
      config: { access: ['user', 'party'] },
      schema: {
        summary: 'Get a signed consent',
        tags,
        params,
        response: { 200: cbor('Signed consent'), '4xx': problem },
      },
    },
    async (request, reply) => {
      const name = bytesFrom(request.params.hash);
      return sendSigned(reply, (await consents.getFor(callerOf(request), name)).signed);
    },
  );

  app.get<{ Params: { hash: string } }>(
    '/v1/consents/:hash/share',
    {
      config: { access: ['party'] },
      schema: {
        summary: "Get the caller's sealed key share",
        tags,
        params,
        response: { 200: octets('Sealed key share'), '4xx': problem },
      },
    },
    async (request, reply) => {
      const name = bytesFrom(request.params.hash);
      return sendOctets(reply, await consents.share(callerOf(request), name));
    },
  );

  app.post(
    '/v1/revocations',
    {
      config: { access: ['user'], ...submissions },
      bodyLimit: SIGNED_MAX_BYTES,
      schema: {
        summary: 'Revoke a consent',
        tags,
        body: cbor('Signed revocation'),
        response: { 204: noContent, '4xx': problem },
      },
    },
    async (request, reply) => {
      const signed = bytesOf(request.body);
      const { consent } = await consents.verifyRevocation(callerOf(request).user, signed);
      await scheduler.revoke(consent, signed);
      return reply.code(204).send();
    },
  );
}
