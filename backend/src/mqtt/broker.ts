/**
 * The MQTT broker: Aedes, with every decision of who may do what here. Samples are stored before
 * Aedes acknowledges them (it sends PUBACK after `authorizePublish` has called back), and no topic
 * that carries samples can be subscribed to.
 */
import { performance } from 'node:perf_hooks';
import {
  createServer as createTcpServer,
  type AddressInfo,
  type Server,
  type Socket,
} from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { setTimeout as delay } from 'node:timers/promises';
import {
  Aedes,
  type AuthenticateError,
  type AuthErrorCode,
  type Client,
  type PublishPacket,
} from 'aedes';
import { decodeSample, MozaikError, TOPICS, type Sample } from '@mozaik/protocol';
import type { Principal } from '../auth/principal.ts';
import type { Tokens } from '../auth/tokens.ts';
import type { Config } from '../config.ts';
import {
  MQTT_CONNECT_TIMEOUT_MS,
  MQTT_CONNECTIONS_PER_SUBJECT,
  MQTT_CONTROL_BURST,
  MQTT_CONTROL_RATE,
  MQTT_DRAIN_TIMEOUT_MS,
  MQTT_KEEPALIVE_MAX_S,
  MQTT_PACKET_MAX_BYTES,
} from '../limits.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { SampleStore } from '../store/samples.ts';
import { Framing } from './framing.ts';
import { TokenBucket } from './token-bucket.ts';

/** How often connections are checked for tokens that have ended, ms. */
const EXPIRY_CHECK_MS = 1000;

/** CONNACK return codes, MQTT 3.1.1, section 3.2.2.3. */
const BAD_CREDENTIALS: AuthErrorCode = 4;
const NOT_AUTHORIZED: AuthErrorCode = 5;

export interface BrokerEvents {
  /** A new sample is on the disk. */
  onStored: (user: string, device: string, sample: Sample) => void;
  /** A party or user listens on this topic from now on. */
  onSubscribed: (principal: Principal, topic: string) => void;
}

interface Connection {
  principal?: Principal;
  refusal?: AuthenticateError;
  publishes: TokenBucket;
}

const refuse = (returnCode: AuthErrorCode, reason: string): AuthenticateError =>
  Object.assign(new Error(reason), { returnCode });

export class Broker {
  readonly #aedes: Aedes;
  readonly #server: Server;
  readonly #connections = new Map<Client, Connection>();
  readonly #config: Config;
  readonly #tokens: Tokens;
  readonly #samples: SampleStore;
  readonly #metrics: Metrics;
  readonly #log: Log;
  readonly #events: BrokerEvents;
  readonly #expiryCheck: NodeJS.Timeout;

  constructor(
    config: Config,
    services: { tokens: Tokens; samples: SampleStore; metrics: Metrics; log: Log },
    events: BrokerEvents,
  ) {
    this.#config = config;
    this.#tokens = services.tokens;
    this.#samples = services.samples;
    this.#metrics = services.metrics;
    this.#log = services.log;
    this.#events = events;
    this.#aedes = this.#createAedes();
    this.#server = this.#createServer();
    this.#server.maxConnections = config.limits.mqttConnections;
    this.#expiryCheck = setInterval(() => this.#closeExpired(), EXPIRY_CHECK_MS);
  }

  /** Starts listening. @returns the port */
  async listen(): Promise<number> {
    await this.#aedes.listen();
    const { host, mqttPort } = this.#config;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(mqttPort, host, resolve);
    });
    return (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    clearInterval(this.#expiryCheck);
    const closed = this.#server.listening
      ? new Promise<void>((resolve) => this.#server.close(() => resolve()))
      : Promise.resolve();
    for (const client of this.#connections.keys()) client.conn.destroy();
    await new Promise<void>((resolve) => this.#aedes.close(resolve));
    await closed;
  }

  /** Sends a message to whoever listens on `topic` now. */
  publish(topic: string, payload: string | Uint8Array): void {
    const message = { cmd: 'publish', topic, qos: 1, dup: false, retain: false } as const;
    this.#aedes.publish({ ...message, payload: Buffer.from(payload) }, (error) => {
      if (error) this.#log.error({ code: 'INTERNAL' }, 'a message could not be published');
    });
  }

  /** Closes the connections of a device whose token was revoked. */
  disconnectDevice(user: string, device: string): void {
    this.#closeWhere(
      ({ role, id, user: owner }) => role === 'device' && id === device && owner === user,
    );
  }

  #closeExpired(): void {
    const now = this.#config.now();
    this.#closeWhere(({ expires }) => expires <= now);
  }

  #closeWhere(condition: (principal: Principal) => boolean): void {
    for (const [client, { principal }] of this.#connections) {
      if (principal && condition(principal)) client.close();
    }
  }

  #createServer(): Server {
    const { tls } = this.#config;
    const onSocket = (socket: Socket) => this.#accept(socket);
    if (tls === undefined) return createTcpServer({ noDelay: true }, onSocket);
    const handshakeTimeout = MQTT_CONNECT_TIMEOUT_MS;
    return createTlsServer({ ...tls, minVersion: 'TLSv1.2', handshakeTimeout }, onSocket);
  }

  #accept(socket: Socket): void {
    const now = performance.now();
    const control = new TokenBucket(MQTT_CONTROL_RATE, MQTT_CONTROL_BURST, now);
    const framing = new Framing({
      maxBytes: MQTT_PACKET_MAX_BYTES,
      admitControl: () => control.take(performance.now()) === 0,
    });
    const client = this.#aedes.handle(socket);
    const { publishRate, publishBurst } = this.#config.limits;
    this.#connections.set(client, { publishes: new TokenBucket(publishRate, publishBurst, now) });
    socket.once('close', () => this.#connections.delete(client));
    // Aedes pulls with read(), and 'data' then shows each chunk before its parser gets it.
    socket.on('data', (chunk: Buffer) => {
      if (framing.accept(chunk)) return;
      this.#metrics.count('connections_refused');
      this.#log.warn({ code: 'REQUEST_TOO_LARGE' }, 'MQTT connection cut off');
      socket.destroy();
    });
  }

  #createAedes(): Aedes {
    const aedes = new Aedes({
      connectTimeout: MQTT_CONNECT_TIMEOUT_MS,
      keepaliveLimit: MQTT_KEEPALIVE_MAX_S,
      drainTimeout: MQTT_DRAIN_TIMEOUT_MS,
      preConnect: (client, packet, done) => {
        // Nobody's session outlives its connection, so the broker keeps no queue for who is away.
        packet.clean = true;
        const password = packet.password?.toString();
        void this.#identify(client, password, packet.will !== undefined).then((clientId) => {
          packet.clientId = `${clientId}:${packet.clientId}`;
          const principal = this.#connections.get(client)?.principal;
          // One connection per device: a new one takes the place of the old one.
          if (principal?.role === 'device') packet.clientId = clientId;
          done(null, true);
        });
      },
      authenticate: (client, _username, _password, done) => {
        const { principal, refusal } = this.#connections.get(client) ?? {};
        if (principal) return done(null, true);
        this.#metrics.count('connections_refused');
        done(refusal ?? refuse(NOT_AUTHORIZED, 'not authorised'), false);
      },
      authorizePublish: (client, packet, done) => {
        this.#store(client, packet).then(
          () => done(null),
          (error: Error) => done(error),
        );
      },
      authorizeSubscribe: (client, subscription, done) => {
        const principal = this.#connections.get(client)?.principal;
        const allowed = principal !== undefined && topicsOf(principal).includes(subscription.topic);
        // Null is the SUBACK failure code 0x80.
        done(null, allowed ? subscription : null);
      },
    });
    aedes.on('subscribe', (subscriptions, client) => {
      const principal = this.#connections.get(client)?.principal;
      if (principal === undefined) return;
      for (const topic of topicsOf(principal)) {
        if (subscriptions.some((subscription) => subscription.topic === topic)) {
          this.#events.onSubscribed(principal, topic);
        }
      }
    });
    aedes.on('clientError', (client, error) => this.#logError(client, error));
    aedes.on('connectionError', (client, error) => this.#logError(client, error));
    return aedes;
  }

  /**
   * Finds out who connects, before Aedes does anything with the client's own claims.
   * @returns the beginning of the client id, which keeps accounts from taking over each other's
   *   connections
   */
  async #identify(client: Client, password: string | undefined, will: boolean): Promise<string> {
    const connection = this.#connections.get(client);
    try {
      // A will would be published without a device's signature of when and what.
      if (will) throw refuse(NOT_AUTHORIZED, 'will messages are not allowed');
      if (password === undefined) throw refuse(NOT_AUTHORIZED, 'no token was sent');
      const principal = await this.#tokens.verify(password).catch(() => {
        throw refuse(BAD_CREDENTIALS, 'the token is not valid');
      });
      if (principal.role === 'provider') throw refuse(NOT_AUTHORIZED, 'a provider has no topics');
      const name = `${principal.role}:${principal.user}:${principal.id}`;
      if (principal.role !== 'device' && this.#countOf(principal) >= MQTT_CONNECTIONS_PER_SUBJECT) {
        throw refuse(NOT_AUTHORIZED, 'too many connections of one subject');
      }
      // Again, at the moment of admission: the device may have been deleted in between.
      this.#tokens.checkCurrent(principal);
      if (connection) connection.principal = principal;
      return name;
    } catch (error) {
      if (connection) {
        connection.refusal =
          error instanceof MozaikError
            ? refuse(BAD_CREDENTIALS, 'the token is not valid')
            : (error as AuthenticateError);
      }
      return 'refused';
    }
  }

  #countOf({ role, id }: Principal): number {
    let count = 0;
    for (const { principal } of this.#connections.values()) {
      if (principal?.role === role && principal.id === id) count++;
    }
    return count;
  }

  /** Checks and stores what a client publishes; PUBACK follows when the promise resolves. */
  async #store(client: Client | null, packet: PublishPacket): Promise<void> {
    const connection = client === null ? undefined : this.#connections.get(client);
    const principal = connection?.principal;
    if (principal?.role !== 'device') throw new MozaikError('TOPIC_FORBIDDEN');
    const { user, id: device } = principal;
    if (packet.qos !== 1 || packet.retain) {
      throw new MozaikError('REQUEST_INVALID', 'samples have QoS 1 and are not retained');
    }
    const envelope = Buffer.from(packet.payload);
    const sample = decodeSample(envelope);
    if (packet.topic !== TOPICS.samples(user, device, sample.stream)) {
      throw new MozaikError('TOPIC_FORBIDDEN');
    }
    // Waiting here keeps Aedes from reading on, so the sender feels it as back-pressure.
    const wait = connection!.publishes.take(performance.now());
    if (wait > 0) await delay(wait);
    const { stream, sequence } = sample;
    const fresh = await this.#samples.put({ user, device, stream }, sequence, envelope);
    this.#metrics.count(fresh ? 'samples_stored' : 'samples_repeated');
    if (fresh) this.#events.onStored(user, device, sample);
  }

  #logError(client: Client, error: Error): void {
    const principal = this.#connections.get(client)?.principal;
    const code = error instanceof MozaikError ? error.code : undefined;
    if (code !== undefined) this.#metrics.count('samples_refused');
    this.#log.warn({ code, role: principal?.role, id: principal?.id }, 'MQTT connection closed');
  }
}

/** What a subject may subscribe to, exactly. */
function topicsOf({ role, id }: Principal): string[] {
  if (role === 'party') return [TOPICS.partyJobs(id), TOPICS.partyRevocations(id)];
  if (role === 'user') return [TOPICS.userJobs(id), TOPICS.userPending(id)];
  return [];
}
