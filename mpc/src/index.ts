export * from './model.ts';
export * from './node/party.ts';
export * from './twin.ts';
