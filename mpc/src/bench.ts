/** What benchmarks measure: the engine over the party's own connections, without jobs and backend. */
export * from './engine/channel.ts';
export * from './engine/classify.ts';
export * from './engine/session.ts';
export * from './node/peers.ts';
export * from './node/phases.ts';
export * from './node/tls-identity.ts';
