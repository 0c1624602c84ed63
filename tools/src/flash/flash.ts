/**
 * Gives a board its key and its code, and registers it.
 *
 * The key is made here, goes to the board, and is kept in the user's folder once the board has shown
 * that it has it. Whatever fails before that leaves no key and no registration behind.
 */
import { createDevice, loadDevices, saveDevice, type Api, type Device } from '@mozaik/client';
import type { Settings } from '@mozaik/firmware/flash';
import { equalBytes, MozaikError, toHex } from '@mozaik/protocol';
import { saveCredential } from '../gateway/credentials.ts';
import type { SelfTest, Target } from './target.ts';

export interface FlashOptions {
  target: Target;
  api: Api;
  /** The user's folder. */
  dir: string;
  /** Id of the user, 32 bytes. */
  user: Uint8Array;
  /** A name for people. */
  name: string;
  stream: number;
  /** The broker as the board reaches it; left out for boards without a network. */
  broker: { host: string; port: number; tls: boolean } | undefined;
  ecg: Settings['ecg'];
  /** Samples that it keeps over a power cut. */
  keep: number | undefined;
  /** Where an Espruino board has its nonce ledger, when not where it finds room itself. */
  ledger: number | undefined;
  /** Folder of the gateway that is to publish for this board. */
  gateway: string | undefined;
  signal: AbortSignal;
  /** A step begins or has something to tell. */
  say: (line: string) => void;
}

export interface Flashed {
  device: Uint8Array;
  /** What the board's cipher runs through. */
  cipher: string;
}

/** @throws MozaikError TOOL_MISSING, PORT_MISSING, BOARD_FAILED, CONFLICT, UNAVAILABLE */
export async function flash(options: FlashOptions): Promise<Flashed> {
  const { target, api, name, say } = options;
  target.check();
  await checkName(options);
  say('building');
  for (const line of await target.build()) say(`  ${line}`);
  const device = createDevice(name);
  say(`the key of device ${toHex(device.id)} is made`);
  try {
    // A board with a network is written with its password, so that it has to be registered by then.
    const password = options.broker && (await api.registerDevice(device.id, name));
    let found: SelfTest;
    try {
      found = await writeAndTest(options, device, password);
      await saveDevice(options.dir, device);
    } catch (error) {
      if (password !== undefined) await unregister(options, device);
      throw error;
    }
    say("the key is kept in the user's folder");
    if (password === undefined) await registerKept(options, device);
    say('registered');
    return { device: device.id, cipher: found.cipher };
  } finally {
    device.masterKey.wipe();
  }
}

/** What {@link flash} would do, without board, backend and user's folder. */
export async function rehearse(
  target: Target,
  network: boolean,
  say: (line: string) => void,
): Promise<void> {
  try {
    target.check();
    say('the tools and the port are there');
  } catch (error) {
    if (!(error instanceof MozaikError)) throw error;
    say(`${error.code}: ${error.message}`);
  }
  say('building');
  for (const line of await target.build()) say(`  ${line}`);
  const device = createDevice('rehearsal');
  say(`the key of a device, such as ${toHex(device.id)}, is made; this one is forgotten`);
  device.masterKey.wipe();
  if (network) say('the device is registered, and gets its MQTT password');
  for (const line of target.plan()) say(`  ${line}`);
  say("the self-test has to give the device's id, and to find its nonce ledger");
  say("the key is kept in the user's folder");
  if (!network) say('the device is registered');
  say('nothing was written, kept or registered');
}

/** Before the board is touched; that the backend answers is found out here too. */
async function checkName({ api, dir, name }: FlashOptions): Promise<void> {
  const names = [...(await loadDevices(dir)), ...(await api.devices())];
  if (names.some((known) => known.name === name)) {
    throw new MozaikError('CONFLICT', `there is a device called ${name}`);
  }
}

async function writeAndTest(
  { target, user, stream, broker, ecg, keep, ledger, signal, say }: FlashOptions,
  device: Device,
  password: string | undefined,
): Promise<SelfTest> {
  say('writing');
  const masterKey = device.masterKey.expose();
  await target.write(
    {
      ...{ masterKey, userId: user, stream },
      ...(broker && password !== undefined && { broker: { ...broker, password } }),
      ...(ecg && { ecg }),
      ...(keep !== undefined && { keep }),
      ...(ledger !== undefined && { ledger }),
    },
    signal,
  );
  say('waiting for the self-test');
  const found = await target.selfTest(signal);
  if (!equalBytes(found.device, device.id)) {
    throw new MozaikError('BOARD_FAILED', 'its key is not the one that was written');
  }
  say(`the self-test passed; the cipher runs ${found.cipher}`);
  return found;
}

async function registerKept(options: FlashOptions, device: Device): Promise<void> {
  const { api, user, name, gateway, say } = options;
  try {
    const password = await api.registerDevice(device.id, name);
    if (gateway === undefined) return;
    const file = await saveCredential(gateway, { user, device: device.id, name, password });
    say(`admitted to the gateway: ${file}`);
  } catch (cause) {
    const then = `the board is ready and its key is kept: go on with "mozaik gateway admit ${name}"`;
    throw new MozaikError('UNAVAILABLE', then, { cause });
  }
}

async function unregister({ api, say }: FlashOptions, { id }: Device): Promise<void> {
  try {
    await api.removeDevice(id);
  } catch {
    say(`device ${toHex(id)} is still registered: run "mozaik user device remove" for it`);
  }
}
