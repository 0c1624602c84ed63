/** Jobs: what users see of them, and what parties fetch and deliver. */
import type { FastifyInstance } from 'fastify';
import {
  decodeCanonical,
  MozaikError,
  resultSubmission,
  SEALED_RESULT_MAX_BYTES,
  type ErrorCode,
} from '@mozaik/protocol';
import { isHomomorphic } from '../../jobs/consents.ts';
import { describeJob } from '../../jobs/scheduler.ts';
import { streamOf } from '../../jobs/backlog.ts';
import { JSON_BODY_MAX_BYTES } from '../../limits.ts';
import { callerOf } from '../access.ts';
import { bytesFrom, bytesOf, sendCbor } from '../bodies.ts';
import { cbor, code, hash, job, jobId, listOf, noContent, object, problem } from '../schemas.ts';
import type { Services } from '../services.ts';

const tags = ['jobs'];
const params = object({ id: jobId });
/** A sealed result and what is around it. */
const RESULT_BODY_MAX_BYTES = SEALED_RESULT_MAX_BYTES + 1024;

interface ById {
  Params: { id: string };
}

export function jobRoutes(app: FastifyInstance, services: Services): void {
  const { jobs, scheduler, consents, samples } = services;

  app.get<{ Querystring: { consent?: string; after?: string } }>(
    '/v1/jobs',
    {
      config: { access: ['user'] },
      schema: {
        summary:
          "List the caller's jobs, of one consent or all: a page, oldest first within a consent",
        tags,
        querystring: object({ consent: hash, after: jobId }, ['consent', 'after']),
        response: { 200: object({ jobs: listOf(job) }), '4xx': problem },
      },
    },
    async (request, reply) => {
      const { consent, after } = request.query;
      const caller = callerOf(request);
      const list = await jobs.list(
        bytesFrom(caller.user),
        consent === undefined ? undefined : bytesFrom(consent),
        after === undefined ? undefined : (await scheduler.jobFor(caller, bytesFrom(after))).job,
      );
      return reply.send({ jobs: list.map(describeJob) });
    },
  );

  app.get<{ Querystring: { after?: string } }>(
    '/v1/jobs/done',
    {
      config: { access: ['user'] },
      schema: {
        summary:
          "List the caller's jobs that are done, in the order in which they were: a page, of those after one that is known",
        tags,
        querystring: object({ after: jobId }, ['after']),
        response: { 200: object({ jobs: listOf(job) }), '4xx': problem },
      },
    },
    async (request, reply) => {
      const { after } = request.query;
      const caller = callerOf(request);
      const list = await jobs.listDone(
        bytesFrom(caller.user),
        after === undefined ? undefined : (await scheduler.jobFor(caller, bytesFrom(after))).job,
      );
      return reply.send({ jobs: list.map(describeJob) });
    },
  );

  app.get<ById>(
    '/v1/jobs/:id',
    {
      config: { access: ['user', 'party'] },
      schema: { summary: 'Get one job', tags, params, response: { 200: job, '4xx': problem } },
    },
    async (request, reply) => {
      const found = await scheduler.jobFor(callerOf(request), bytesFrom(request.params.id));
      return reply.send(describeJob(found.job));
    },
  );

  app.get<ById>(
    '/v1/jobs/:id/request',
    {
      config: { access: ['user', 'party'] },
      schema: {
        summary: 'Get what the parties are asked to do',
        tags,
        params,
        response: { 200: cbor('job'), '4xx': problem },
      },
    },
    async (request, reply) => {
      const found = await scheduler.jobFor(callerOf(request), bytesFrom(request.params.id));
      return sendCbor(reply, await jobs.request(found.job));
    },
  );

  app.get<ById>(
    '/v1/jobs/:id/samples',
    {
      config: { access: ['party'] },
      schema: {
        summary: 'Get the ciphertexts of a running job',
        tags,
        params,
        response: { 200: cbor('jobSamples'), '4xx': problem },
      },
    },
    async (request, reply) => {
      const found = await scheduler.jobFor(callerOf(request), bytesFrom(request.params.id));
      consents.checkUsable(found.record);
      if (found.job.state !== 'running') {
        throw new MozaikError('NOT_FOUND', `the job is ${found.job.state}`);
      }
      // A server gets what the user's agent has encrypted for it, and nothing else.
      if (isHomomorphic(found.record.consent)) {
        throw new MozaikError('NOT_FOUND', 'the samples of a job on homomorphic ciphertexts');
      }
      const { sequences } = await jobs.request(found.job);
      const envelopes = await samples.get(streamOf(found.record), sequences);
      return sendCbor(reply, { v: 1, envelopes });
    },
  );

  app.put<ById>(
    '/v1/jobs/:id/result',
    {
      config: { access: ['party'] },
      bodyLimit: RESULT_BODY_MAX_BYTES,
      schema: {
        summary: "Deliver the caller's sealed result",
        tags,
        params,
        body: cbor('resultSubmission'),
        response: { 204: noContent, '4xx': problem },
      },
    },
    async (request, reply) => {
      const id = bytesFrom(request.params.id);
      await scheduler.putResult(callerOf(request), id, bytesOf(request.body));
      return reply.code(204).send();
    },
  );

  app.post<ById & { Body: { code: ErrorCode } }>(
    '/v1/jobs/:id/failure',
    {
      config: { access: ['party'] },
      bodyLimit: JSON_BODY_MAX_BYTES,
      schema: {
        summary: 'Report that a job failed',
        tags,
        params,
        body: object({ code }),
        response: { 204: noContent, '4xx': problem },
      },
    },
    async (request, reply) => {
      const id = bytesFrom(request.params.id);
      await scheduler.reportFailure(callerOf(request), id, request.body.code);
      return reply.code(204).send();
    },
  );

  app.get<ById>(
    '/v1/jobs/:id/results',
    {
      config: { access: ['user'] },
      schema: {
        summary: 'Get the sealed results of a job that is done',
        tags,
        params,
        response: { 200: cbor('jobResults'), '4xx': problem },
      },
    },
    async (request, reply) => {
      const found = await scheduler.jobFor(callerOf(request), bytesFrom(request.params.id));
      if (found.job.state !== 'done') {
        throw new MozaikError('NOT_FOUND', `the job is ${found.job.state}`);
      }
      const results = (await jobs.results(found.job, found.record)).map((submission) =>
        decodeCanonical(submission!, resultSubmission, 'result submission'),
      );
      return sendCbor(reply, { v: 1, results });
    },
  );
}
