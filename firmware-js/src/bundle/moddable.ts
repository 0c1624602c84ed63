/** Builds the Moddable module: one ES module without types, whose platform imports its linker resolves. */
import path from 'node:path';
import { build } from 'esbuild';

const entry = path.resolve(import.meta.dirname, '../moddable/mozaik.ts');

/** Modules of the Moddable SDK. */
export const PLATFORM_MODULES = ['embedded:*', 'timer'];

export async function buildModdable(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    // The output names its files from here, wherever the build was started.
    absWorkingDir: import.meta.dirname,
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    external: PLATFORM_MODULES,
    legalComments: 'none',
    tsconfigRaw: { compilerOptions: { useDefineForClassFields: false, target: 'es2022' } },
  });
  return outputFiles[0].text;
}
