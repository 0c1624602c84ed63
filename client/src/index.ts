/** The user's and the model provider's agent, for Node; browsers take `core.ts`. */
export * from './core.ts';
export * from './homomorphic-agent.ts';
export * from './homomorphic-folder.ts';
export * from './identity-file.ts';
export * from './job-desk.ts';
export * from './notifications.ts';
export * from './pin-folder.ts';
export * from './private-file.ts';
export * from './revocations.ts';
export * from './seen-jobs.ts';
export * from './topic-watch.ts';
