import path from 'node:path';

const repositoryRoot = path.resolve(import.meta.dirname, '../..');

export const firmwareSources = path.join(repositoryRoot, 'firmware-js/src');
export const envelopeSource = path.join(repositoryRoot, 'protocol/src/envelope.ts');
/** Folder of optional shared data. */
export const shared = path.resolve(repositoryRoot, process.env.MOZAIK_SHARED ?? '../shared');
