/**
 * The server node: hears of jobs over MQTT, checks each by itself, computes on ciphertexts that it
 * cannot read and delivers a reply that only the user can open.
 */
import { describeError, JobDesk, Revocations, TopicWatch, type JobEvent } from '@mozaik/client';
import { REVOCATION, toHex, TOPICS, verify } from '@mozaik/protocol';
import { Evaluator, type EvaluatorOptions } from '../evaluator.ts';
import { Backend } from './backend.ts';
import { serverDescriptor } from './descriptor.ts';
import { EvaluationKeyCache } from './keys.ts';
import { Models } from './models.ts';
import { runJob, type JobReport, type Workplace } from './run.ts';
import { loadServerKeys } from './state.ts';

export interface ServerConfig {
  /** Folder of the server's keys. */
  dataDir: string;
  /** For people. */
  name: string;
  backendUrl: string;
  mqttUrl: string;
  /** Name of the backend that logins are made for. */
  audience: string;
  /** Threads that compute, and how long one job may take, ms. */
  workers?: NonNullable<EvaluatorOptions['workers']>;
  timeoutMs?: NonNullable<EvaluatorOptions['timeoutMs']>;
  now?: () => number;
  /** One line for each event worth knowing; nothing secret. */
  log?: (event: ServerEvent) => void;
}

export interface ServerEvent extends Omit<JobEvent, 'event'>, Partial<JobReport> {
  event: 'connected' | 'disconnected' | JobEvent['event'];
}

const RECONNECT_MS = 1_000;
/** How often keys are looked for whose consents have ended, ms. */
const SWEEP_MS = 60_000;

export class Server {
  readonly #workplace: Workplace;
  readonly #watch: TopicWatch;
  readonly #jobs: JobDesk<JobReport>;
  readonly #log: (event: ServerEvent) => void;
  readonly #sweep: NodeJS.Timeout;

  private constructor(config: ServerConfig, workplace: Workplace) {
    this.#workplace = workplace;
    this.#log = config.log ?? (() => undefined);
    const me = toHex(this.id);
    const { backend, evaluationKeys, revocations, now } = workplace;
    this.#jobs = new JobDesk<JobReport>({
      run: (job, running) => runJob(workplace, job, running),
      reportFailure: (job, code) => backend.reportFailure(job, code),
      isRevoked: (consent, user) => revocations.has(consent, user),
      log: (event, report) => this.#log({ ...event, ...report }),
    });
    this.#watch = new TopicWatch({
      session: backend.session,
      mqttUrl: config.mqttUrl,
      // Revocations first: what was missed of them comes before the jobs that were.
      topics: [TOPICS.partyRevocations(me), TOPICS.partyJobs(me)],
      reconnectMs: RECONNECT_MS,
      onConnected: async () => {
        await backend.publishDescriptor(this.id, this.descriptor);
        this.#log({ event: 'connected' });
      },
      onMessage: (topic, payload) => {
        if (topic === TOPICS.partyJobs(me)) this.#jobs.announce(payload);
        else void this.#onRevocation(payload);
      },
      onError: (error) => this.#log({ event: 'disconnected', ...describeError(error) }),
    });
    this.#sweep = setInterval(() => evaluationKeys.sweep(now()), SWEEP_MS);
    this.#sweep.unref();
  }

  /** Loads or makes the server's keys and starts its workers; {@link Server.start} does the rest. */
  static async open(config: ServerConfig): Promise<Server> {
    const { dataDir, name, backendUrl: url, audience, workers, timeoutMs, now = Date.now } = config;
    const keys = await loadServerKeys(dataDir);
    const { identity, seal } = keys;
    const backend = new Backend({ url, audience, identity });
    const descriptor = await serverDescriptor(dataDir, keys, name, now);
    const revocations = await Revocations.open(dataDir);
    const evaluator = await Evaluator.open({
      ...(workers === undefined ? {} : { workers }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    });
    return new Server(config, {
      ...{ keys, descriptor, backend, revocations, evaluator, now },
      models: new Models(backend, seal),
      evaluationKeys: new EvaluationKeyCache(backend, (held) => void evaluator.forget(held)),
    });
  }

  get id(): Uint8Array {
    return this.#workplace.keys.identity.id;
  }

  /** The signed descriptor that users pin. */
  get descriptor(): Uint8Array {
    return this.#workplace.descriptor.signed;
  }

  /** Whether evaluation keys of a user are held. */
  holdsKeysOf(user: Uint8Array): boolean {
    return this.#workplace.evaluationKeys.has(user);
  }

  /** Publishes the descriptor and waits for jobs. A connection that ends is made again. */
  start(): Promise<void> {
    return this.#watch.start();
  }

  /** Stops all jobs and closes every connection. */
  async close(): Promise<void> {
    clearInterval(this.#sweep);
    this.#jobs.close('the server is stopped');
    this.#workplace.models.forgetAll();
    await this.#watch.close();
    await this.#workplace.evaluator.close();
  }

  async #onRevocation(payload: Uint8Array): Promise<void> {
    const { revocations, evaluationKeys } = this.#workplace;
    try {
      const { value, signer } = verify(REVOCATION, new Uint8Array(payload));
      const remembered = revocations.add(value.consent, signer);
      // If another consent of the user is in force, they are fetched again for its next request.
      evaluationKeys.drop(signer);
      this.#jobs.stopRevoked();
      await remembered;
    } catch (error) {
      this.#log({ event: 'revoked', ...describeError(error) });
    }
  }
}
