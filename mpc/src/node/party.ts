/**
 * The party node: hears of jobs over MQTT, checks each by itself, computes with its two peers and
 * delivers a result that only the user can open. Shares live in memory and end with the job.
 */
import { describeError, JobDesk, type JobEvent } from '@mozaik/client/job-desk';
import { Revocations } from '@mozaik/client/revocations';
import { connect, type MqttClient } from 'mqtt';
import { REVOCATION, toHex, TOPICS, verify } from '@mozaik/protocol';
import { Backend } from './backend.ts';
import { partyDescriptor } from './descriptor.ts';
import { Models } from './models.ts';
import { Peers } from './peers.ts';
import { Pool, type PoolMetrics } from './pool.ts';
import { runJob, type JobReport, type Workplace } from './run.ts';
import { loadPartyKeys } from './state.ts';

export interface PartyConfig {
  /** Folder of the party's keys. */
  dataDir: string;
  /** For people. */
  name: string;
  /** Address that other parties connect to; also the one that is listened on. */
  host: string;
  /** 0 takes any free port. A changed port is a changed descriptor, which users have to pin anew. */
  port: number;
  backendUrl: string;
  mqttUrl: string;
  /** Name of the backend that logins are made for. */
  audience: string;
  /** Longest wait for a peer, ms. */
  peerTimeoutMs?: number;
  now?: () => number;
  /** One line for each event worth knowing; nothing secret. */
  log?: (event: PartyEvent) => void;
}

export interface PartyEvent
  extends Omit<JobEvent, 'event'>, Partial<JobReport>, Partial<PoolMetrics> {
  event: 'listening' | 'connected' | 'disconnected' | 'pool' | JobEvent['event'];
}

const PEER_TIMEOUT_MS = 20_000;
const RECONNECT_MS = 1_000;

export class Party {
  readonly #config: PartyConfig;
  readonly #workplace: Workplace;
  readonly #jobs: JobDesk<JobReport>;
  readonly #log: (event: PartyEvent) => void;
  #mqtt: MqttClient | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(config: PartyConfig, workplace: Workplace) {
    this.#config = config;
    this.#workplace = workplace;
    this.#log = config.log ?? (() => undefined);
    const { backend, revocations } = workplace;
    this.#jobs = new JobDesk<JobReport>({
      run: (job, running) => runJob(workplace, job, running),
      reportFailure: (job, code) => backend.reportFailure(job, code),
      isRevoked: (consent, user) => revocations.has(consent, user),
      log: (event, report) => this.#log({ ...event, ...report }),
    });
  }

  /** Loads or makes the party's keys and listens for peers; {@link Party.start} does the rest. */
  static async open(config: PartyConfig): Promise<Party> {
    const keys = await loadPartyKeys(config.dataDir);
    const { identity, seal, tls } = keys;
    const peers = new Peers(tls, identity.id);
    const { name, host, port, now = Date.now } = config;
    const pool = new Pool(now, (metrics, cause) => {
      config.log?.({
        event: 'pool',
        ...metrics,
        ...(cause !== undefined && describeError(cause)),
      });
    });
    const revocations = await Revocations.open(config.dataDir);
    const listening = await peers.listen(host, port);
    const backend = new Backend({ url: config.backendUrl, audience: config.audience, identity });
    const party = new Party(config, {
      keys,
      descriptor: partyDescriptor(config.dataDir, keys, { name, host, port: listening }, now),
      backend,
      models: new Models(backend, seal),
      peers,
      pool,
      revocations,
      peerTimeoutMs: config.peerTimeoutMs ?? PEER_TIMEOUT_MS,
      now,
    });
    party.#log({ event: 'listening', detail: `${host}:${listening}` });
    return party;
  }

  get id(): Uint8Array {
    return this.#workplace.keys.identity.id;
  }

  /** The signed descriptor that users pin. */
  get descriptor(): Uint8Array {
    return this.#workplace.descriptor.signed;
  }

  /** The state of what is made ahead, also told in an event `pool` when it changes. */
  metrics(): { pool: PoolMetrics } {
    return { pool: this.#workplace.pool.metrics() };
  }

  /** Publishes the descriptor and waits for jobs. A connection that ends is made again. */
  async start(): Promise<void> {
    try {
      await this.#workplace.backend.publishDescriptor(this.id, this.descriptor);
      await this.#subscribe();
    } catch (error) {
      this.#log({ event: 'disconnected', ...describeError(error) });
      this.#startLater();
    }
  }

  /** Stops all jobs, wipes their shares and closes every connection. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#jobs.close('the party is stopped');
    this.#workplace.pool.close();
    this.#workplace.models.wipe();
    await this.#mqtt?.endAsync(true);
    await this.#workplace.peers.close();
  }

  async #subscribe(): Promise<void> {
    const password = await this.#workplace.backend.session.token();
    if (this.#closed) return;
    const me = toHex(this.id);
    // A token lives shorter than we do, so every connection is made with a current one, by us.
    const client = connect(this.#config.mqttUrl, {
      protocolVersion: 4,
      username: me,
      password,
      reconnectPeriod: 0,
      connectTimeout: 10_000,
    });
    this.#mqtt = client;
    client.on('error', () => client.end(true));
    client.once('close', () => {
      this.#log({ event: 'disconnected' });
      this.#startLater();
    });
    client.on('message', (topic, payload) => {
      if (topic === TOPICS.partyJobs(me)) this.#jobs.announce(payload);
      else if (topic === TOPICS.partyRevocations(me)) void this.#onRevocation(payload);
    });
    client.on('connect', () => {
      client
        .subscribeAsync([TOPICS.partyRevocations(me), TOPICS.partyJobs(me)], { qos: 1 })
        .then(() => this.#log({ event: 'connected' }))
        .catch(() => client.end(true));
    });
  }

  #startLater(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.start(), RECONNECT_MS);
  }

  async #onRevocation(payload: Buffer): Promise<void> {
    try {
      const { value, signer } = verify(REVOCATION, new Uint8Array(payload));
      const { revocations, pool } = this.#workplace;
      const remembered = revocations.add(value.consent, signer);
      pool.drop(({ consent }) => revocations.has(consent.hash, consent.user));
      this.#jobs.stopRevoked();
      await remembered;
    } catch (error) {
      this.#log({ event: 'revoked', ...describeError(error) });
    }
  }
}
