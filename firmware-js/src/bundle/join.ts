/** What all bundles have in common: one ES module of an entry file and all that it imports. */
import { build } from 'esbuild';

/**
 * @param entry absolute path of a TypeScript file.
 * @param external modules that the platform has.
 */
export async function joinModules(
  entry: string,
  target: 'es2020' | 'es2022',
  external: string[] = [],
): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    // The output names its files from here, wherever the build was started.
    absWorkingDir: import.meta.dirname,
    bundle: true,
    write: false,
    format: 'esm',
    target,
    external,
    treeShaking: true,
    legalComments: 'none',
    // Class fields become assignments in the constructor, which every engine understands.
    tsconfigRaw: { compilerOptions: { useDefineForClassFields: false, target } },
  });
  return outputFiles[0].text;
}
