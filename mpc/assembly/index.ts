// Kernels of the engine: loops over contiguous buffers, no allocation, no branch on a share's value.
// Pointers are byte offsets into the module's memory, 16-byte aligned, allocated by the caller.
export { asconBegin, asconPublic, asconEnd, asconAbsorb, xorConstant } from './ascon';
export { chacha12 } from './chacha';
export { xorBytes, andBytes } from './bits';
export { sumCarries, andChain } from './advice';
export {
  recordGates,
  sliceSums,
  gateSums,
  gateSumsScratch,
  foldSlices,
  foldBlocks,
  foldScratch,
  scaleBlock,
  blockSum,
  blockSumScratch,
  elements,
  elementProducts,
  weightsAt,
  foldElements,
  interpolate,
  loadFactor,
  multiplyElements,
  isProduct,
} from './gate-proof';
export { planesFromWords64, rowsFromMessages } from './transpose';
export { planesFromBytes, planesFromWords, wordsFromPlanes, negate24 } from './planes';
export { dense } from './dense';
export { rowsTimesVectors, combineRows } from './dense-check';
export { addWords, subtractWords, pack24, unpack24 } from './ring';
export {
  bytesHolder,
  bytesReceiver,
  bytesHelper,
  bitHolder,
  bitReceiver,
  bitHelper,
  selectHolder,
  selectReceiver,
  selectHelper,
} from './convert';

/** First byte that the caller may use. */
export const heapBase: usize = __heap_base;
