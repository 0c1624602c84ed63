// Kernels of the homomorphic evaluator: loops over polynomials in the module's memory, no allocation.
// Pointers are byte offsets, 16-byte aligned, allocated by the caller. Nothing here is secret: the server
// has no key to what it computes on.
export { forward, inverse } from './ntt';
export { expandSeed } from './seed';
export {
  unpack,
  pack,
  add,
  multiply,
  scale,
  lift,
  subtractScale,
  permute,
  innerProduct,
} from './residues';
export { splitPair, batchLayers } from './batch';

/** First byte that the caller may use. */
export const heapBase: usize = __heap_base;
