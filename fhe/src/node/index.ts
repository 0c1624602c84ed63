export * from './server.ts';
export { DESCRIPTOR_FILE } from './descriptor.ts';
export { KEYS_FILE, loadServerKeys, type ServerKeys } from './state.ts';
