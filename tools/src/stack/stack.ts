/** The local stack: one backend and three parties, each a process of its own on this machine. */
import path from 'node:path';
import type { BackendOptions } from '@mozaik/backend';
import type { PartyConfig, PartyEvent } from '@mozaik/mpc';
import { startService, type Service } from './service.ts';
import { stackSettings } from './settings.ts';

/** Events of the stack's processes, for those who show them. */
export type StackEvent =
  | { kind: 'ready'; name: string }
  | { kind: 'party'; index: number; event: PartyEvent }
  | { kind: 'ended'; name: string; reason: string };

export interface StackOptions {
  /** Folder that keeps all state. */
  dataDir: string;
  onEvent?: (event: StackEvent) => void;
  /** Settings of the backend's jobs. */
  jobs?: NonNullable<BackendOptions['jobs']>;
}

export interface Stack {
  audience: string;
  httpUrl: string;
  mqttUrl: string;
  backend: Service;
  parties: Service[];
  /** Files with the parties' signed descriptors, for users to pin. */
  descriptorFiles: string[];
  /** Starts the backend, or a party by its index, again; it must have ended. */
  restart(which: 'backend' | number): Promise<void>;
  stop(): Promise<void>;
}

const BACKEND_ENTRY = import.meta.resolve('@mozaik/backend').replace(/index\.ts$/, 'main.ts');
const PARTY_ENTRY = import.meta.resolve('@mozaik/mpc').replace(/index\.ts$/, 'node/main.ts');
const HOST = '127.0.0.1';

/** @throws MozaikError UNAVAILABLE when a process does not come up */
export async function startStack({ dataDir, onEvent, jobs }: StackOptions): Promise<Stack> {
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
  const startParty = async (index: number, signal?: AbortSignal) => {
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
    const service = await startService({
      name,
      entry: PARTY_ENTRY,
      env: { MOZAIK_PARTY: JSON.stringify(config) },
      // Only then can it be told of jobs.
      isReady: ({ event }) => event === 'connected',
      onLine: (event) => emit({ kind: 'party', index, event: event as unknown as PartyEvent }),
      onExit: onExit(name),
      ...(signal && { signal }),
    });
    emit({ kind: 'ready', name });
    return service;
  };

  // When one cannot start, the others are not waited for.
  const giveUp = new AbortController();
  let failure: Error | undefined;
  const starting = [startBackend(giveUp.signal)];
  starting.push(...partyPorts.map((_, index) => startParty(index, giveUp.signal)));
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
  const [backend, ...parties] = started;
  const stack: Stack = {
    audience,
    httpUrl,
    mqttUrl,
    backend,
    parties,
    descriptorFiles: partyPorts.map((_, index) => path.join(partyDir(index), 'descriptor.cbor')),
    async restart(which) {
      if (which === 'backend') stack.backend = await startBackend();
      else stack.parties[which] = await startParty(which);
    },
    async stop() {
      await Promise.all(stack.parties.map((party) => party.stop()));
      await stack.backend.stop();
    },
  };
  return stack;
}
