/** The homomorphic path: evaluation keys and requests of users, and what servers fetch of them. */
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import {
  EVALUATION_KEYS_MAX_BYTES,
  FRAME_OVERHEAD_BYTES,
  MozaikError,
  REQUEST_MAX_BYTES,
  toHex,
  type ErrorCode,
} from '@mozaik/protocol';
import { callerOf } from '../access.ts';
import { bytesFrom, sendCbor } from '../bodies.ts';
import { perMinute } from '../rate.ts';
import { cbor, hash, id, jobId, noContent, object, octets, problem } from '../schemas.ts';
import type { Services } from '../services.ts';

const tags = ['homomorphic path'];
const OCTETS = 'application/octet-stream';

/**
 * The length that a request says it has. One that is too long is refused before it is read.
 * @throws MozaikError REQUEST_TOO_LARGE; REQUEST_INVALID when it does not say
 */
function lengthOf(request: FastifyRequest, max: number): number {
  const text = request.headers['content-length'] ?? '';
  if (!/^\d{1,15}$/.test(text)) {
    throw new MozaikError('REQUEST_INVALID', 'an upload says its Content-Length');
  }
  if (Number(text) > max) throw new MozaikError('REQUEST_TOO_LARGE', `at most ${max} bytes`);
  return Number(text);
}

/** What ends an upload of which more would follow: its connection ends with it. */
const CUTTING: ReadonlySet<ErrorCode> = new Set([
  'REQUEST_TOO_LARGE',
  'REQUEST_INVALID',
  'UPLOAD_TOO_SLOW',
]);

/** Takes an upload. */
async function upload<T>(
  request: FastifyRequest,
  reply: FastifyReply,
  max: number,
  take: (source: Readable, length: number) => Promise<T>,
): Promise<T> {
  try {
    if (!(request.body instanceof Readable)) {
      throw new MozaikError('REQUEST_INVALID', `expected a body of type ${OCTETS}`);
    }
    return await take(request.body, lengthOf(request, max + FRAME_OVERHEAD_BYTES));
  } catch (error) {
    if (CUTTING.has((error as MozaikError).code)) reply.header('connection', 'close');
    throw error;
  }
}

const sendFrame = (reply: FastifyReply, { stream, length }: { stream: Readable; length: number }) =>
  reply
    .type(OCTETS)
    .header('cache-control', 'no-store')
    .header('content-length', length)
    .send(stream);

export function ciphertextRoutes(app: FastifyInstance, services: Services): void {
  const { ciphertexts, consents, scheduler, config } = services;
  const submissions = perMinute(config.limits.submissionsPerMinute);
  // A scope of its own: elsewhere bodies of octets are not read at all.
  void app.register((scope, _options, done) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser(OCTETS, (_request, payload, parsed) => parsed(null, payload));

    scope.put(
      '/v1/evaluation-keys',
      {
        config: { access: ['user'], ...submissions },
        schema: {
          summary: "Replace the caller's evaluation keys",
          tags,
          body: octets('Frame of evaluation keys'),
          response: { 204: noContent, '4xx': problem },
        },
      },
      async (request, reply) => {
        const { user } = callerOf(request);
        await upload(request, reply, EVALUATION_KEYS_MAX_BYTES, (source, length) =>
          ciphertexts.putKeys(user, source, length),
        );
        return reply.code(204).send();
      },
    );

    scope.post<{ Params: { hash: string } }>(
      '/v1/consents/:hash/requests',
      {
        config: { access: ['user'] },
        schema: {
          summary: 'Ask for a computation on homomorphic ciphertexts',
          tags,
          params: object({ hash }),
          body: octets('Frame of a request'),
          response: { 200: object({ job: jobId }), '4xx': problem },
        },
      },
      async (request, reply) => {
        const record = await consents.getFor(callerOf(request), bytesFrom(request.params.hash));
        const { job } = await upload(request, reply, REQUEST_MAX_BYTES, (source, length) =>
          scheduler.submitRequest(record, source, length),
        );
        return reply.send({ job: toHex(job) });
      },
    );
    done();
  });

  app.get<{ Params: { hash: string } }>(
    '/v1/consents/:hash/pending',
    {
      config: { access: ['user'] },
      schema: {
        summary: 'Get the samples that no job has had, for the agent to encrypt',
        tags,
        params: object({ hash }),
        response: { 200: cbor('pendingSamples'), '4xx': problem },
      },
    },
    async (request, reply) => {
      const record = await consents.getFor(callerOf(request), bytesFrom(request.params.hash));
      return sendCbor(reply, { v: 1, sequences: await scheduler.pending(record) });
    },
  );

  app.get<{ Params: { user: string } }>(
    '/v1/evaluation-keys/:user',
    {
      config: { access: ['party'] },
      schema: {
        summary: 'Get the evaluation keys of a user who consents to the calling server',
        tags,
        params: object({ user: id }),
        response: { 200: octets('Frame of evaluation keys'), '4xx': problem },
      },
    },
    async (request, reply) =>
      sendFrame(reply, await ciphertexts.keysFor(callerOf(request).id, request.params.user)),
  );

  app.get<{ Params: { id: string } }>(
    '/v1/jobs/:id/ciphertexts',
    {
      config: { access: ['party'] },
      schema: {
        summary: 'Get the ciphertexts of a running job',
        tags,
        params: object({ id: jobId }),
        response: { 200: octets('Frame of a request'), '4xx': problem },
      },
    },
    async (request, reply) => {
      const found = await scheduler.jobFor(callerOf(request), bytesFrom(request.params.id));
      consents.checkUsable(found.record);
      return sendFrame(reply, await ciphertexts.requestOf(found.job));
    },
  );
}
