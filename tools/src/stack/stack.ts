/**
 * The local stack: one backend, and three parties or one server of homomorphic ciphertexts, each a
 * process of its own on this machine.
 */
import path from 'node:path';
import type { BackendOptions } from '@mozaik/backend';
import type { ServerConfig, ServerEvent } from '@mozaik/fhe/node';
import type { PartyConfig, PartyEvent } from '@mozaik/mpc';
import { startService, type Service, type ServiceOptions } from './service.ts';
import { stackSettings } from './settings.ts';

/** Events of the stack's processes, for those who show them. */
export type StackEvent =
  | { kind: 'ready'; name: string }
  | { kind: 'party'; index: number; event: PartyEvent }
  | { kind: 'server'; event: ServerEvent }
  | { kind: 'ended'; name: string; reason: string };

export interface StackOptions {
  /** Folder that keeps all state. */
  dataDir: string;
  onEvent?: (event: StackEvent) => void;
  /** Settings of the backend's jobs. */
  jobs?: NonNullable<BackendOptions['jobs']>;
  /** Who computes: three parties, which is the default, or one server. */
  path?: ComputePath;
  /** Ends the start early. */
  signal?: AbortSignal;
}

/** Joint computation on shares, or homomorphic encryption on one server. */
export type ComputePath = 'joint' | 'fhe';

export interface Stack {
  audience: string;
  httpUrl: string;
  mqttUrl: string;
  backend: Service;
  /** None on the homomorphic path, which has a server. */
  parties: Service[];
  server: Service | undefined;
  /** Files with the parties' signed descriptors, and the server's, for users to pin. */
  descriptorFiles: string[];
  serverDescriptorFile: string;
  /**
   * Starts the backend, the server, or a party by its index, again; it must have ended.
   * @param signal ends this start early
   */
  restart(which: 'backend' | 'server' | number, signal?: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}

const BACKEND_ENTRY = import.meta.resolve('@mozaik/backend').replace(/index\.ts$/, 'main.ts');
const PARTY_ENTRY = import.meta.resolve('@mozaik/mpc').replace(/index\.ts$/, 'node/main.ts');
const SERVER_ENTRY = import.meta.resolve('@mozaik/fhe/node').replace(/index\.ts$/, 'main.ts');
const HOST = '127.0.0.1';

/** @throws MozaikError UNAVAILABLE when a process does not come up, or is not wanted any more */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { dataDir, onEvent, jobs, path: computePath = 'joint' } = options;
  const { audience, httpPort, mqttPort, partyPorts } = await stackSettings(dataDir);
  const emit = onEvent ?? (() => undefined);
  const httpUrl = `http://${HOST}:${httpPort}`;
  const mqttUrl = `mqtt://${HOST}:${mqttPort}`;
  const onExit = (name: string) => (reason: string) => emit({ kind: 'ended', name, reason });

  const partyDir = (index: number) => path.join(dataDir, `party-${index + 1}`);

  const startBackend = async (signal?: AbortSignal) => {
    const options: BackendOptions = {
      dataDir: path.join(dataDir, 'backend'),
      audience,
      host: HOST,
      httpPort,
      mqttPort,
      logLevel: 'warn',
      ...(jobs && { jobs }),
    };
    const service = await startService({
      name: 'backend',
      entry: BACKEND_ENTRY,
      env: { MOZAIK_BACKEND: JSON.stringify(options) },
      isReady: ({ ready }) => ready === true,
      onExit: onExit('backend'),
      ...(signal && { signal }),
    });
    emit({ kind: 'ready', name: service.name });
    return service;
  };
  const startNode = async (options: Omit<ServiceOptions, 'isReady' | 'onExit'>) => {
    const { name } = options;
    const service = await startService({
      ...options,
      // Only then can it be told of jobs.
      isReady: ({ event }) => event === 'connected',
      onExit: onExit(name),
    });
    emit({ kind: 'ready', name });
    return service;
  };
  const startParty = (index: number, signal?: AbortSignal) => {
    const name = `party ${index + 1}`;
    const config: PartyConfig = {
      dataDir: partyDir(index),
      name,
      host: HOST,
      port: partyPorts[index],
      backendUrl: httpUrl,
      mqttUrl,
      audience,
    };
    return startNode({
      name,
      entry: PARTY_ENTRY,
      env: { MOZAIK_PARTY: JSON.stringify(config) },
      onLine: (event) => emit({ kind: 'party', index, event: event as unknown as PartyEvent }),
      ...(signal && { signal }),
    });
  };

  const serverDir = path.join(dataDir, 'server');
  const startServer = (signal?: AbortSignal) => {
    const name = 'server';
    const config: ServerConfig = {
      dataDir: serverDir,
      name,
      backendUrl: httpUrl,
      mqttUrl,
      audience,
    };
    return startNode({
      name,
      entry: SERVER_ENTRY,
      env: { MOZAIK_FHE: JSON.stringify(config) },
      onLine: (event) => emit({ kind: 'server', event: event as unknown as ServerEvent }),
      ...(signal && { signal }),
    });
  };

  // When one cannot start, the others are not waited for.
  const giveUp = new AbortController();
  const signal = options.signal ? AbortSignal.any([giveUp.signal, options.signal]) : giveUp.signal;
  let failure: Error | undefined;
  const starting = [startBackend(signal)];
  if (computePath === 'fhe') starting.push(startServer(signal));
  else starting.push(...partyPorts.map((_, index) => startParty(index, signal)));
  for (const service of starting) {
    service.catch((reason: Error) => {
      failure ??= reason;
      giveUp.abort();
    });
  }
  const outcomes = await Promise.allSettled(starting);
  const started = outcomes.flatMap((outcome) =>
    outcome.status === 'fulfilled' ? [outcome.value] : [],
  );
  if (failure) {
    await Promise.all(started.map((service) => service.stop()));
    throw failure;
  }
  const [backend, ...others] = started;
  const stack: Stack = {
    audience,
    httpUrl,
    mqttUrl,
    backend,
    parties: computePath === 'fhe' ? [] : others,
    server: computePath === 'fhe' ? others[0] : undefined,
    serverDescriptorFile: path.join(serverDir, 'descriptor.cbor'),
    descriptorFiles: partyPorts.map((_, index) => path.join(partyDir(index), 'descriptor.cbor')),
    async restart(which, ending) {
      if (which === 'backend') stack.backend = await startBackend(ending);
      else if (which === 'server') stack.server = await startServer(ending);
      else stack.parties[which] = await startParty(which, ending);
    },
    async stop() {
      const { server } = stack;
      const computing = server ? [...stack.parties, server] : stack.parties;
      await Promise.all(computing.map((service) => service.stop()));
      await stack.backend.stop();
    },
  };
  return stack;
}
