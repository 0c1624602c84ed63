/** Files that only their owner may read (Node). Writes are atomic and survive a loss of power. */
import { chmod, link, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { MozaikError, toHex } from '@mozaik/protocol';
import { randomBytes } from './random.ts';

const OWNER_ONLY_FILE = 0o600;
const OWNER_ONLY_FOLDER = 0o700;
/** Permission bits of group and others. */
const OTHERS = 0o077;
/** Largest file that is read, bytes: a wrong path must not fill memory. */
const MAX_BYTES = 16 << 20;
/** Windows has access lists in place of mode bits. */
const HAS_MODES = process.platform !== 'win32';

const isErrno = (error: unknown, code: string): boolean =>
  (error as NodeJS.ErrnoException).code === code;

function checkMode(path: string, mode: number, wanted: number): void {
  if (HAS_MODES && (mode & OTHERS) !== 0) {
    const found = (mode & 0o777).toString(8);
    throw new MozaikError(
      'INPUT_FILE',
      `others may use ${path}, mode ${found}: run chmod ${wanted.toString(8)} on it`,
    );
  }
}

/**
 * Makes a folder for its owner alone, or checks that it is one.
 * @throws MozaikError INPUT_FILE when others may use it
 */
export async function privateFolder(path: string): Promise<void> {
  const made = await mkdir(path, { recursive: true, mode: OWNER_ONLY_FOLDER });
  if (made !== undefined) await chmod(path, OWNER_ONLY_FOLDER);
  checkMode(path, (await stat(path)).mode, OWNER_ONLY_FOLDER);
}

/**
 * Reads a file that only its owner may read; undefined when there is none.
 * @throws MozaikError INPUT_FILE when others may use it or it is too large
 */
export async function readPrivate(path: string): Promise<Uint8Array | undefined> {
  let file;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
  try {
    // Of the open file, not of the path: nobody can swap it between the check and the reading.
    const { mode, size } = await file.stat();
    checkMode(path, mode, OWNER_ONLY_FILE);
    if (size > MAX_BYTES) throw new MozaikError('INPUT_FILE', `${path} has ${size} bytes`);
    return new Uint8Array(await file.readFile());
  } finally {
    await file.close();
  }
}

/** Appends to a file, which is made when it does not exist, and flushes. */
export async function appendPrivate(path: string, data: Uint8Array): Promise<void> {
  const file = await open(path, 'a', OWNER_ONLY_FILE);
  try {
    await file.appendFile(data);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Writes a file, in place of the one that may be there. */
export async function replacePrivate(path: string, data: Uint8Array): Promise<void> {
  await writeAside(path, data, (aside) => rename(aside, path));
}

/**
 * Writes a file that must not exist yet: a key is never overwritten.
 * @throws MozaikError CONFLICT when it exists
 */
export async function createPrivate(path: string, data: Uint8Array): Promise<void> {
  await writeAside(path, data, async (aside) => {
    try {
      await link(aside, path);
    } catch (error) {
      if (isErrno(error, 'EEXIST')) throw new MozaikError('CONFLICT', path);
      throw error;
    }
  });
}

/** Writes next to `path`, flushes, and lets `place` put it there in one step. */
async function writeAside(
  path: string,
  data: Uint8Array,
  place: (aside: string) => Promise<void>,
): Promise<void> {
  const folder = dirname(path);
  const aside = join(folder, `.${basename(path)}.${toHex(randomBytes(8))}`);
  const file = await open(aside, 'wx', OWNER_ONLY_FILE);
  try {
    try {
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    await place(aside);
  } finally {
    await rm(aside, { force: true });
  }
  if (!HAS_MODES) return; // Windows cannot flush a folder.
  const entry = await open(folder, 'r');
  try {
    await entry.sync();
  } finally {
    await entry.close();
  }
}
