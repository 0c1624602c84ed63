/** What benchmarks measure: both evaluators in the caller's own thread, without jobs and workers. */
export { BatchEvaluator, prepareBatch } from './batch.ts';
export { networkBounds, checkComputable } from './bounds.ts';
export { decryptLogits } from './decrypt.ts';
export { timeLibraryAlone } from './library/alone.ts';
export { evaluateWithLibrary, loadLibraryKeys } from './library/evaluate.ts';
export { SingleEvaluator } from './single.ts';
