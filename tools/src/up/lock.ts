/** One process at a time for a folder. */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { ClassicLevel } from 'classic-level';
import { MozaikError } from '@mozaik/protocol';

/**
 * Takes the folder for this process. The lock is that of an empty LevelDB in it: the operating system
 * drops it however this process ends, so that none is ever stale.
 *
 * @param command what is running there when this fails
 * @returns lets the folder go
 * @throws MozaikError CONFLICT when another process has it
 */
export async function lockFolder(
  folder: string,
  command = 'mozaik up',
): Promise<() => Promise<void>> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const lock = new ClassicLevel(path.join(folder, 'lock'));
  try {
    await lock.open();
  } catch (error) {
    const cause = (error as Error).cause as NodeJS.ErrnoException | undefined;
    if (cause?.code !== 'LEVEL_LOCKED') throw error;
    throw new MozaikError('CONFLICT', `another "${command}" is running on ${folder}`);
  }
  return () => lock.close();
}
