export * from './aami.ts';
export * from './beats.ts';
export * from './record.ts';
export * from './resample.ts';
export * from './source.ts';
export * from './synthesiser.ts';
export { readAnnotatedRecord, readAnnotations, readRecord } from './wfdb.ts';
