export * from './model.ts';
export * from './node/party.ts';
export { loadPartyKeys } from './node/state.ts';
export * from './twin.ts';
