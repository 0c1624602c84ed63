/** A user's devices and the samples they sent. */
import type { FastifyInstance } from 'fastify';
import { SAMPLES_PAGE_MAX, text, toHex } from '@mozaik/protocol';
import { JSON_BODY_MAX_BYTES } from '../../limits.ts';
import { callerOf } from '../access.ts';
import { sendCbor } from '../bodies.ts';
import { cbor, deviceId, listOf, name, noContent, object, problem, uint } from '../schemas.ts';
import type { Services } from '../services.ts';

const tags = ['devices'];
const printable = text(name.maxLength);

export function deviceRoutes(app: FastifyInstance, services: Services): void {
  const { devices, samples, tokens, disconnectDevice } = services;

  app.post<{ Body: { device: string; name: string } }>(
    '/v1/devices',
    {
      config: { access: ['user'] },
      bodyLimit: JSON_BODY_MAX_BYTES,
      schema: {
        summary: 'Register a device, or renew its token',
        description:
          'The token is the MQTT password. An earlier token is worth nothing from then on.',
        tags,
        body: object({ device: deviceId, name }),
        response: { 200: object({ device: deviceId, token: { type: 'string' } }), '4xx': problem },
      },
    },
    async (request, reply) => {
      const { user } = callerOf(request);
      const { device } = request.body;
      const tokenId = await devices.register(user, device, printable(request.body.name, 'name'));
      disconnectDevice(user, device);
      const token = await tokens.issueDevice(user, device, tokenId);
      return reply.header('cache-control', 'no-store').send({ device, token });
    },
  );

  app.get(
    '/v1/devices',
    {
      config: { access: ['user'] },
      schema: {
        summary: "List the caller's devices",
        tags,
        response: {
          200: object({ devices: listOf(object({ device: deviceId, name })) }),
          '4xx': problem,
        },
      },
    },
    async (request, reply) => {
      const records = await devices.list(callerOf(request).user);
      const list = records.map((record) => ({ device: toHex(record.device), name: record.name }));
      return reply.send({ devices: list });
    },
  );

  app.delete<{ Params: { id: string } }>(
    '/v1/devices/:id',
    {
      config: { access: ['user'] },
      schema: {
        summary: 'Remove a device; its token is worth nothing from now on',
        tags,
        params: object({ id: deviceId }),
        response: { 204: noContent, '4xx': problem },
      },
    },
    async (request, reply) => {
      const { user } = callerOf(request);
      await devices.remove(user, request.params.id);
      disconnectDevice(user, request.params.id);
      return reply.code(204).send();
    },
  );

  app.get<{ Querystring: { device: string; stream: number; from: number; limit: number } }>(
    '/v1/samples',
    {
      config: { access: ['user'] },
      schema: {
        summary: "Get samples of one of the caller's streams, by sequence number",
        tags,
        querystring: object(
          {
            device: deviceId,
            stream: { ...uint(0, 0xffff), default: 0 },
            from: { ...uint(0, 0xffffffff), default: 0 },
            limit: { ...uint(1, SAMPLES_PAGE_MAX), default: SAMPLES_PAGE_MAX },
          },
          ['stream', 'from', 'limit'],
        ),
        response: { 200: cbor('samplePage'), '4xx': problem },
      },
    },
    async (request, reply) => {
      const { device, stream, from, limit } = request.query;
      const { user } = callerOf(request);
      const page = [];
      for await (const sample of samples.read({ user, device, stream }, from, undefined, limit)) {
        page.push({ received: sample.received, envelope: sample.envelope });
      }
      return sendCbor(reply, { v: 1, samples: page });
    },
  );
}
