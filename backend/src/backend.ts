/** The backend as a whole. It can decrypt nothing: there is no cipher and no decryption key in it. */
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { Challenges } from './auth/challenges.ts';
import { Devices } from './auth/devices.ts';
import { loadIssuerKey } from './auth/issuer-key.ts';
import { Tokens } from './auth/tokens.ts';
import { MozaikError } from '@mozaik/protocol';
import { resolveConfig, type BackendOptions, type Config } from './config.ts';
import { addRoutes, createApp } from './http/app.ts';
import { Ciphertexts } from './jobs/ciphertexts.ts';
import { Consents } from './jobs/consents.ts';
import { JobStore } from './jobs/job-store.ts';
import { Scheduler } from './jobs/scheduler.ts';
import { Metrics } from './metrics.ts';
import { Broker } from './mqtt/broker.ts';
import { openDatabase, type Database } from './store/database.ts';
import { Frames } from './store/frames.ts';
import { Models } from './store/models.ts';
import { Parties } from './store/parties.ts';
import { SampleStore } from './store/samples.ts';

export interface Backend {
  httpUrl: string;
  mqttUrl: string;
  /** Stops taking requests, finishes what is being written, and closes the store. */
  close: () => Promise<void>;
}

/**
 * Starts the backend.
 * @throws MozaikError INPUT_FILE for options that do not fit, STATE_CORRUPT, UNAVAILABLE
 */
export async function startBackend(options: BackendOptions): Promise<Backend> {
  const config = resolveConfig(options);
  const db = await openDatabase(config.dataDir);
  try {
    return await startOn(config, db);
  } catch (error) {
    await db.close();
    throw error;
  }
}

async function startOn(config: Config, db: Database): Promise<Backend> {
  const { now, host } = config;
  const app = createApp(config);
  const { log } = app;
  const metrics = new Metrics();
  const samples = new SampleStore(db, now);
  const devices = new Devices(db);
  const consents = new Consents(db, devices, now);
  const jobs = new JobStore(db, now);
  const frames = new Frames(path.join(config.dataDir, 'ciphertexts'));
  const ciphertexts = new Ciphertexts({ db, frames, consents, jobs, samples });
  const issuerKey = await loadIssuerKey(config.dataDir);
  const tokens = new Tokens(config, issuerKey, (user, device, token) =>
    devices.isCurrentToken(user, device, token),
  );

  const scheduler: Scheduler = new Scheduler(
    config,
    { db, samples, consents, jobs, ciphertexts, metrics, log },
    (topic, payload) => broker.publish(topic, payload),
  );
  const broker: Broker = new Broker(
    config,
    { tokens, samples, metrics, log },
    {
      onStored: (user, device, sample) => scheduler.sampleStored(user, device, sample),
      onSubscribed: ({ role, id }, topic) => {
        if (role !== 'party') return;
        scheduler.partySubscribed(id, topic).catch(() => {
          log.error({ code: 'INTERNAL' }, 'a party was not told what it missed');
        });
      },
    },
  );
  await addRoutes(app, {
    config,
    tokens,
    challenges: new Challenges(now),
    devices,
    samples,
    parties: new Parties(db),
    models: new Models(db),
    consents,
    jobs,
    ciphertexts,
    scheduler,
    metrics,
    disconnectDevice: (user, device) => broker.disconnectDevice(user, device),
  });

  const stop = async () => {
    await app.close();
    await broker.close();
    await scheduler.close();
  };
  try {
    const mqttPort = await broker.listen();
    await scheduler.start();
    await app.listen({ host, port: config.httpPort });
    const { port } = app.server.address() as AddressInfo;
    const name = host.includes(':') ? `[${host}]` : host;
    const secure = config.tls ? 's' : '';
    let closing: Promise<void> | undefined;
    return {
      httpUrl: `http${secure}://${name}:${port}`,
      mqttUrl: `mqtt${secure}://${name}:${mqttPort}`,
      close: () => (closing ??= stop().finally(() => db.close())),
    };
  } catch (error) {
    await stop();
    throw unavailable(error, host);
  }
}

/** A port that cannot be used is the operator's to mend: say which. */
function unavailable(error: unknown, host: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  const isAddress = code === 'EADDRINUSE' || code === 'EACCES' || code === 'EADDRNOTAVAIL';
  return isAddress
    ? new MozaikError('UNAVAILABLE', `cannot listen on ${host}: ${code}`, { cause: error })
    : error;
}
