export { startBackend, type Backend } from './backend.ts';
export type { BackendOptions, JobOptions, LimitOptions, OidcOptions } from './config.ts';
