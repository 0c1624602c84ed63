/** What runs in browsers and Node alike. */
export * from './answers.ts';
export * from './api.ts';
export * from './consent.ts';
export * from './device.ts';
export * from './homomorphic.ts';
export * from './http.ts';
export * from './model.ts';
export * from './pins.ts';
export * from './provider.ts';
export * from './results.ts';
export * from './user.ts';
