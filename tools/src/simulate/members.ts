/** Whose boards a fleet is made of: users made for one run, or a user with a folder. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { Api, createDevice, loadDevices, loadUser, saveDevice, type Device } from '@mozaik/client';
import { fileLedgerStorage, type BrokerAddress } from '@mozaik/firmware/node';
import { createIdentity, MozaikError, toHex, type Identity } from '@mozaik/protocol';
import type { Member } from './fleet.ts';

/** The backend refuses more devices of one user. */
const BOARDS_PER_USER = 64;
const PORTS: Record<string, number> = { 'mqtt:': 1883, 'mqtts:': 8883 };

export interface BackendAddress {
  url: string;
  audience: string;
}

/** @throws MozaikError REQUEST_INVALID for anything but an mqtt: or mqtts: address */
export function brokerAddress(address: string): BrokerAddress {
  const { protocol, hostname, port } = URL.canParse(address) ? new URL(address) : {};
  if (protocol === undefined || !hostname || !(protocol in PORTS)) {
    throw new MozaikError('REQUEST_INVALID', 'the broker has an address such as mqtts://host:8883');
  }
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  const to = { host, port: Number(port) || PORTS[protocol] };
  return protocol === 'mqtts:' ? { ...to, tls: { servername: host } } : to;
}

const apiOf = (backend: BackendAddress, identity: Identity): Api =>
  new Api({ ...backend, identity, role: 'user' });

/** Boards of as many new users as that takes; nothing of them is kept. */
export function localMembers(backend: BackendAddress, boards: number): Member[] {
  const users = Array.from({ length: Math.ceil(boards / BOARDS_PER_USER) }, () =>
    apiOf(backend, createIdentity()),
  );
  return Array.from({ length: boards }, (_, n) => ({
    api: users[Math.floor(n / BOARDS_PER_USER)],
    device: createDevice(`simulated ${n + 1}`),
  }));
}

/**
 * Boards of the user in `userDir`. With `dataDir` they are those whose flash is in it, their keys
 * being in `userDir`, and new ones as needed; without it they are new, and `close` removes them from
 * the backend. A key is never used with another flash than its own: that would repeat numbers.
 *
 * @throws MozaikError REQUEST_INVALID for more boards than one user may have; INPUT_FILE
 */
export async function userMembers(
  backend: BackendAddress,
  userDir: string,
  boards: number,
  dataDir?: string,
): Promise<{ members: Member[]; close: () => Promise<void> }> {
  if (boards > BOARDS_PER_USER) {
    throw new MozaikError('REQUEST_INVALID', `a user has at most ${BOARDS_PER_USER} boards`);
  }
  const api = apiOf(backend, (await loadUser(userDir)).identity);
  if (dataDir === undefined) {
    const devices = Array.from({ length: boards }, (_, n) => createDevice(`simulated ${n + 1}`));
    return {
      members: devices.map((device) => ({ api, device })),
      close: async () => {
        for (const { id } of devices) await api.removeDevice(id);
      },
    };
  }
  const devices = await keptDevices(userDir, boards, dataDir);
  return {
    members: devices.map((device) => ({
      api,
      device,
      storage: fileLedgerStorage(flashFolder(dataDir, device)),
    })),
    close: () => Promise.resolve(),
  };
}

const flashFolder = (dataDir: string, { id }: Device): string => path.join(dataDir, toHex(id));

async function keptDevices(userDir: string, count: number, dataDir: string): Promise<Device[]> {
  const devices = (await loadDevices(userDir))
    .filter((device) => existsSync(flashFolder(dataDir, device)))
    .sort((x, y) => x.name.localeCompare(y.name, 'en', { numeric: true }));
  while (devices.length < count) {
    const device = createDevice(`simulated ${devices.length + 1}`);
    // The flash first: a key without one is never used.
    fileLedgerStorage(flashFolder(dataDir, device));
    await saveDevice(userDir, device);
    devices.push(device);
  }
  return devices.slice(0, count);
}
