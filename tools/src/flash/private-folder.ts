/** A temporary folder for its owner alone, which is gone when the work in it ends, however it ends. */
import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

const open = new Set<string>();
const remove = { recursive: true, force: true } as const;

/** Also when the process is ended at once, by a second Ctrl-C for example. */
process.on('exit', () => {
  for (const folder of open) rmSync(folder, remove);
});

export async function inPrivateFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  // Made with mode 0700.
  const folder = await mkdtemp(path.join(tmpdir(), 'mozaik-flash-'));
  open.add(folder);
  try {
    return await work(folder);
  } finally {
    await rm(folder, remove);
    open.delete(folder);
  }
}
