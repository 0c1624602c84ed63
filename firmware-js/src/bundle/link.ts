/**
 * Joins an entry file and all that it imports into one flat script, types removed, in an order in
 * which everything is defined before it is used.
 */
import { build } from 'esbuild';

export interface Linked {
  code: string;
  /** What the entry exports: public name to name in the script. */
  exports: Map<string, string>;
}

/** The one statement that the linker leaves at the end of a script. */
const EXPORTS = /export \{([^}]*)\};\s*$/;

/** @param entry absolute path of a TypeScript file. */
export async function link(entry: string): Promise<Linked> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    // The output names its files from here, wherever the build was started.
    absWorkingDir: import.meta.dirname,
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2020',
    treeShaking: true,
    legalComments: 'none',
    // Class fields become assignments in the constructor, which every engine understands.
    tsconfigRaw: { compilerOptions: { useDefineForClassFields: false, target: 'es2020' } },
  });
  const text = outputFiles[0].text;
  const exports = new Map(
    (EXPORTS.exec(text)?.[1] ?? '')
      .split(',')
      .map((item) => item.trim().split(' as '))
      .map(([local, name]) => [name ?? local, local]),
  );
  return { code: text.replace(EXPORTS, ''), exports };
}
