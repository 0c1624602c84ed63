/** A backend of its own for a simulation: a child process, as of the local stack but without parties. */
import type { BackendOptions } from '@mozaik/backend';
import { startService, type Service } from '../stack/service.ts';

const ENTRY = import.meta.resolve('@mozaik/backend').replace(/index\.ts$/, 'main.ts');

export interface LocalBackend {
  httpUrl: string;
  mqttUrl: string;
  service: Service;
}

/** @throws MozaikError UNAVAILABLE when it does not come up */
export async function startLocalBackend(options: BackendOptions): Promise<LocalBackend> {
  const service = await startService({
    name: 'backend',
    entry: ENTRY,
    env: { MOZAIK_BACKEND: JSON.stringify({ logLevel: 'error', ...options }) },
    isReady: ({ ready }) => ready === true,
  });
  const { httpUrl, mqttUrl } = service.ready as { httpUrl: string; mqttUrl: string };
  return { httpUrl, mqttUrl, service };
}
