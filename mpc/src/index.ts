export * from './model.ts';
export * from './twin.ts';
