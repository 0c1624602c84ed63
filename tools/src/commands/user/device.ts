import { createDevice, loadDevices, saveDevice, type Api, type Device } from '@mozaik/client';
import { equalBytes, MozaikError, toHex } from '@mozaik/protocol';
import type { Command } from 'commander';
import { agentOptions, connectUser, type AgentOptions } from '../options.ts';
import { fields, print, table } from '../output.ts';

interface TokenOptions extends AgentOptions {
  showToken?: true;
}

/** A device by its name, or by its id in hexadecimal. @throws MozaikError NOT_FOUND, CONFLICT */
export function findDevice<T extends { id: Uint8Array; name: string }>(
  devices: T[],
  which: string,
): T {
  const found = devices.filter(({ id, name }) => name === which || toHex(id) === which);
  if (found.length === 1) return found[0];
  if (found.length > 1) throw new MozaikError('CONFLICT', `several devices are called ${which}`);
  throw new MozaikError('NOT_FOUND', `no key of a device ${which} in the user's folder`);
}

const tokenOption = (command: Command): Command =>
  command.option('--show-token', 'print the MQTT password, which is a secret, on standard output');

export function deviceCommands(user: Command): void {
  const device = user.command('device').description("the user's devices and their keys");
  addCommand(device);
  tokenCommand(device);
  listCommand(device);
  removeCommand(device);
}

function addCommand(group: Command): void {
  const command = group
    .command('add')
    .argument('<name>', 'a name for people')
    .description('make the key of a new device and register it');
  agentOptions(tokenOption(command), 'user').action(async (name: string, options: TokenOptions) => {
    const { dir, api } = await connectUser(options);
    if ((await loadDevices(dir)).some((held) => held.name === name)) {
      throw new MozaikError('CONFLICT', `there is a device called ${name}`);
    }
    const device = createDevice(name);
    // Registered first: what the backend refuses leaves no key behind.
    const token = await api.registerDevice(device.id, name);
    await saveDevice(dir, device);
    printDevice(device, token, options);
  });
}

function tokenCommand(group: Command): void {
  const command = group
    .command('token')
    .argument('<device>', 'name or id')
    .description('give a device a new MQTT password; its earlier one ends');
  agentOptions(tokenOption(command), 'user').action(
    async (which: string, options: TokenOptions) => {
      const { dir, api } = await connectUser(options);
      const device = findDevice(await loadDevices(dir), which);
      printDevice(device, await api.registerDevice(device.id, device.name), options);
    },
  );
}

function printDevice({ id, name }: Device, token: string, { showToken, json }: TokenOptions): void {
  const shown = { device: toHex(id), name, ...(showToken && { token }) };
  print(json, shown, fields(shown));
}

interface Entry {
  id: Uint8Array;
  name: string;
  registered: boolean;
  keyHeld: boolean;
}

/** Devices that the backend knows, that this folder has the key of, or both. */
async function allDevices(api: Api, dir: string): Promise<Entry[]> {
  const held = await loadDevices(dir);
  const known = await api.devices();
  const entries = known.map(({ device: id, name }) => {
    return { id, name, registered: true, keyHeld: held.some((other) => equalBytes(other.id, id)) };
  });
  for (const { id, name } of held) {
    if (entries.some((entry) => equalBytes(entry.id, id))) continue;
    entries.push({ id, name, registered: false, keyHeld: true });
  }
  return entries.sort((x, y) => x.name.localeCompare(y.name, 'en', { numeric: true }));
}

function listCommand(group: Command): void {
  const command = group.command('list').description('list the devices');
  agentOptions(command, 'user').action(async (options: AgentOptions) => {
    const { dir, api } = await connectUser(options);
    const entries = await allDevices(api, dir);
    const yes = (value: boolean) => (value ? 'yes' : 'no');
    print(
      options.json,
      { devices: entries.map(({ id, ...rest }) => ({ device: toHex(id), ...rest })) },
      table([
        ['device', 'name', 'registered', 'key held'],
        ...entries.map((e) => [toHex(e.id), e.name, yes(e.registered), yes(e.keyHeld)]),
      ]),
    );
  });
}

function removeCommand(group: Command): void {
  const command = group
    .command('remove')
    .argument('<device>', 'name or id')
    .description('end the registration of a device; its key is kept, as it opens stored samples');
  agentOptions(command, 'user').action(async (which: string, options: AgentOptions) => {
    const { dir, api } = await connectUser(options);
    const { id, name } = findDevice(await allDevices(api, dir), which);
    await api.removeDevice(id);
    print(options.json, { device: toHex(id), name }, [`${name} (${toHex(id)}) is removed`]);
  });
}
