export * from './evaluate.ts';
export * from './file.ts';
export * from './quantise.ts';
export * from './recipe.ts';
