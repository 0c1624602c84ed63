/** Builds the Moddable module: one ES module without types, whose platform imports its linker resolves. */
import path from 'node:path';
import { joinModules } from './join.ts';

const entry = path.resolve(import.meta.dirname, '../moddable/mozaik.ts');

/** Modules of the Moddable SDK. */
export const PLATFORM_MODULES = ['embedded:*', 'timer'];

export const buildModdable = (): Promise<string> => joinModules(entry, 'es2022', PLATFORM_MODULES);
