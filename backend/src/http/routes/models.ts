/** Models and their sealed shares. */
import type { FastifyInstance } from 'fastify';
import { MODEL_SHARE_MAX_BYTES, PARTY_COUNT, toHex } from '@mozaik/protocol';
import { SIGNED_MAX_BYTES } from '../../limits.ts';
import { ANY_ROLE, callerOf } from '../access.ts';
import { bytesFrom, bytesOf, sendOctets, sendSigned } from '../bodies.ts';
import { perMinute } from '../rate.ts';
import { cbor, hash, id, listOf, name, object, octets, problem } from '../schemas.ts';
import type { Services } from '../services.ts';

const tags = ['models'];
const params = object({ hash });
/** Two shares of the largest model for each party, and a descriptor. */
const MODEL_BODY_MAX_BYTES = PARTY_COUNT * (2 * MODEL_SHARE_MAX_BYTES + 4096) + SIGNED_MAX_BYTES;

export function modelRoutes(app: FastifyInstance, { models, config }: Services): void {
  app.post(
    '/v1/models',
    {
      config: { access: ['provider'], ...perMinute(config.limits.submissionsPerMinute) },
      bodyLimit: MODEL_BODY_MAX_BYTES,
      schema: {
        summary: 'Submit a model, dealt to three parties',
        tags,
        body: cbor('modelSubmission'),
        response: { 200: object({ model: hash }), '4xx': problem },
      },
    },
    async (request, reply) => {
      const model = await models.submit(callerOf(request).id, bytesOf(request.body));
      return reply.send({ model: toHex(model) });
    },
  );

  app.get(
    '/v1/models',
    {
      config: { access: ANY_ROLE },
      schema: {
        summary: 'List the models',
        tags,
        response: {
          200: object({ models: listOf(object({ model: hash, name, provider: id })) }),
          '4xx': problem,
        },
      },
    },
    async (_request, reply) => reply.send({ models: await models.list() }),
  );

  app.get<{ Params: { hash: string } }>(
    '/v1/models/:hash',
    {
      config: { access: ANY_ROLE },
      schema: {
        summary: "Get a model's signed descriptor",
        tags,
        params,
        response: { 200: cbor('Signed model descriptor'), '4xx': problem },
      },
    },
    async (request, reply) => sendSigned(reply, await models.get(bytesFrom(request.params.hash))),
  );

  app.get<{ Params: { hash: string } }>(
    '/v1/models/:hash/share',
    {
      config: { access: ['party'] },
      schema: {
        summary: "Get the caller's sealed model share",
        tags,
        params,
        response: { 200: octets('Sealed model share'), '4xx': problem },
      },
    },
    async (request, reply) => {
      const model = bytesFrom(request.params.hash);
      return sendOctets(reply, await models.share(callerOf(request).id, model));
    },
  );
}
