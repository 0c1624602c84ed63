export * from './evaluator.ts';
export { EVALUATION_KEYS_MAX_BYTES, REPLY_MAX_BYTES, REQUEST_MAX_BYTES } from './frame.ts';
export { checkComputable } from './bounds.ts';
export { plainLogits, type DenseLayer, type SquareNetwork } from './network.ts';
export { LAYOUTS, type Layout } from './parameters.ts';
