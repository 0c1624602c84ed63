/** What parties and users do in the life of a job. */
import { decodeCanonical, fromHex, jobSchema, REVOCATION, sign } from '@mozaik/protocol';
import type { BackendOptions } from '../src/index.ts';
import { alice, call, connect, jobsOf, until, type JobEntry, type World } from './support.ts';

export const FAST: Partial<BackendOptions> = {
  jobs: { microBatchDelayMs: 30, retryBackoffMs: 20, tickMs: 20 },
};

/** What arrives on a topic, as JSON. */
export async function listen({ backend }: World, token: string, topic: string) {
  const client = await connect(backend, token);
  const heard: Record<string, unknown>[] = [];
  client.on('message', (_topic, payload) =>
    heard.push(JSON.parse(payload.toString()) as Record<string, unknown>),
  );
  await client.subscribeAsync(topic, { qos: 1 });
  return { client, heard };
}

export async function sequencesOf({ backend, user }: World, job: string): Promise<number[]> {
  const { bytes } = await call(backend, user, `GET /v1/jobs/${job}/request`);
  return decodeCanonical(bytes, jobSchema, 'job').sequences;
}

export const report = ({ backend, partyTokens }: World, job: string, code: string, party = 0) =>
  call(backend, partyTokens[party], `POST /v1/jobs/${job}/failure`, { code });

export const revoke = ({ backend, user }: World, consent: string) =>
  call(
    backend,
    user,
    'POST /v1/revocations',
    sign(REVOCATION, { v: 1, consent: fromHex(consent, 32), issued: 1 }, alice),
  );

export const nextJob = (world: World, consent: string, previous: JobEntry) =>
  until(
    async () =>
      (await jobsOf(world, consent)).find(
        ({ state, job }) => state === 'running' && job !== previous.job,
      ),
    'the next job',
  );
