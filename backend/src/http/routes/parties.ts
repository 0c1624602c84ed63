/** Party descriptors. */
import type { FastifyInstance } from 'fastify';
import { MozaikError } from '@mozaik/protocol';
import { SIGNED_MAX_BYTES } from '../../limits.ts';
import { ANY_ROLE, callerOf } from '../access.ts';
import { bytesOf, sendSigned } from '../bodies.ts';
import { perMinute } from '../rate.ts';
import { cbor, id, listOf, name, noContent, object, problem } from '../schemas.ts';
import type { Services } from '../services.ts';

const tags = ['parties'];
const params = object({ id });

export function partyRoutes(app: FastifyInstance, { parties, config }: Services): void {
  app.put<{ Params: { id: string } }>(
    '/v1/parties/:id',
    {
      config: { access: ['party'], ...perMinute(config.limits.submissionsPerMinute) },
      bodyLimit: SIGNED_MAX_BYTES,
      schema: {
        summary: "Publish the caller's own descriptor",
        tags,
        params,
        body: cbor('Signed party descriptor'),
        response: { 204: noContent, '4xx': problem },
      },
    },
    async (request, reply) => {
      const { id: caller } = callerOf(request);
      if (request.params.id !== caller) throw new MozaikError('FORBIDDEN', "another party's name");
      await parties.put(caller, bytesOf(request.body));
      return reply.code(204).send();
    },
  );

  app.get(
    '/v1/parties',
    {
      config: { access: ANY_ROLE },
      schema: {
        summary: 'List the parties',
        tags,
        response: { 200: object({ parties: listOf(object({ id, name })) }), '4xx': problem },
      },
    },
    async (_request, reply) => reply.send({ parties: await parties.list() }),
  );

  app.get<{ Params: { id: string } }>(
    '/v1/parties/:id',
    {
      config: { access: ANY_ROLE },
      schema: {
        summary: "Get a party's signed descriptor",
        tags,
        params,
        response: { 200: cbor('Signed party descriptor'), '4xx': problem },
      },
    },
    async (request, reply) => sendSigned(reply, await parties.get(request.params.id)),
  );
}
