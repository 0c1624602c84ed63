/**
 * Assembles the Thumb-2 permutation with Debian's cross tools (`binutils-arm-none-eabi`).
 * `npm run native --workspace firmware-js` writes it to `src/espruino/thumb.ts`, which is checked in,
 * so that nobody else needs the tools.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const packageDir = path.resolve(import.meta.dirname, '../..');
const source = (name: string) => path.join(packageDir, 'native', name);
const TOOLS = 'arm-none-eabi-';

function run(tool: string, args: string[]): void {
  execFileSync(TOOLS + tool, args, { stdio: ['ignore', 'ignore', 'inherit'] });
}

function withFolder<T>(work: (folder: string) => T): T {
  const folder = mkdtempSync(path.join(tmpdir(), 'mozaik-native-'));
  try {
    return work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Whether the cross tools are installed. */
export function canAssemble(): boolean {
  try {
    run('as', ['--version']);
    run('ld', ['--version']);
    return true;
  } catch {
    return false;
  }
}

/** The routine's bytes. */
export function assemble(): Buffer {
  return withFolder((folder) => {
    const object = path.join(folder, 'permute.o');
    const binary = path.join(folder, 'permute.bin');
    run('as', ['-o', object, source('ascon-p.s')]);
    run('objcopy', ['-O', 'binary', '-j', '.text', object, binary]);
    return readFileSync(binary);
  });
}

/** Links these very bytes with the test's harness into a Linux program at `program`. */
export function linkHarness(code: Uint8Array, program: string): void {
  withFolder((folder) => {
    const bytes = [...code].join(', ');
    const blob = path.join(folder, 'blob.s');
    writeFileSync(
      blob,
      `.syntax unified\n.thumb\n.text\n.balign 4\n.global permute\n.thumb_func\npermute: .byte ${bytes}\n`,
    );
    const objects = [source('harness.s'), blob].map((file) => {
      const object = path.join(folder, path.basename(file) + '.o');
      run('as', ['-mcpu=cortex-m3', '-o', object, file]);
      return object;
    });
    run('ld', ['-o', program, ...objects]);
  });
}

/** The checked-in module that holds the bytes. */
export function thumbModule(code: Uint8Array): string {
  const text = Buffer.from(code).toString('base64');
  const lines = text.match(/.{1,88}/g) ?? [];
  return [
    '// Made from native/ascon-p.s by `npm run native --workspace firmware-js`; do not edit.',
    '',
    `/** Ascon-p as ${code.length} bytes of Thumb-2 code, in base64. */`,
    'export const PERMUTATION =',
    lines.map((line) => `  '${line}'`).join(' +\n') + ';',
    '',
  ].join('\n');
}
