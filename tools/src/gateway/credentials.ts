/**
 * What a gateway holds of a board: for whom it publishes, and the board's MQTT password, which allows
 * to publish samples as this board and nothing else. No key. One file for each board, mode 0600.
 */
import path from 'node:path';
import { privateFolder, readPrivate, replacePrivate } from '@mozaik/client';
import { DEVICE_ID_BYTES, fromHex, ID_BYTES, MozaikError, toHex } from '@mozaik/protocol';

export interface Credential {
  /** Id of the board's user, 32 bytes. */
  user: Uint8Array;
  /** 16 bytes. */
  device: Uint8Array;
  /** For people. */
  name: string;
  /** What the backend gave when the board was registered. */
  password: string;
}

const FOLDER = 'boards';

const fileOf = (dir: string, device: Uint8Array): string =>
  path.join(dir, FOLDER, `${toHex(device)}.json`);

/**
 * Puts a board's credential into the gateway's folder, in place of an earlier one.
 * @returns the file
 */
export async function saveCredential(dir: string, credential: Credential): Promise<string> {
  const { user, device, name, password } = credential;
  await privateFolder(dir);
  await privateFolder(path.join(dir, FOLDER));
  const content = { v: 1, user: toHex(user), device: toHex(device), name, password };
  const file = fileOf(dir, device);
  await replacePrivate(file, new TextEncoder().encode(`${JSON.stringify(content, null, 2)}\n`));
  return file;
}

/** @throws MozaikError INPUT_FILE when others may read it; STATE_CORRUPT, without quoting it */
export async function loadCredential(
  dir: string,
  device: Uint8Array,
): Promise<Credential | undefined> {
  const file = fileOf(dir, device);
  const bytes = await readPrivate(file);
  if (bytes === undefined) return undefined;
  try {
    const content = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
    const { v, user, name, password } = content;
    if (v !== 1 || content.device !== toHex(device)) throw new Error();
    if (typeof name !== 'string' || typeof password !== 'string') throw new Error();
    const credential = { user: fromHex(user as string, ID_BYTES), device, name, password };
    return { ...credential, device: fromHex(toHex(device), DEVICE_ID_BYTES) };
  } catch {
    throw new MozaikError('STATE_CORRUPT', file);
  }
}
