/**
 * Compiles TypeScript for the tests. Each of jest's test files has global objects of its own, behind
 * which every mention of `Math` or `Uint8Array` is looked up anew, at the cost of a thousand
 * multiplications: a loop that rounds or allocates takes several times as long as in a program. So each
 * module asks for the built-in ones once, as its first statement. They are the same objects.
 */
import { createTransformer } from '@swc/jest';

const BUILT_IN = [
  ...['Array', 'ArrayBuffer', 'BigInt', 'DataView', 'Error', 'Float32Array', 'Float64Array'],
  ...['Infinity', 'Int8Array', 'Int16Array', 'Int32Array', 'JSON', 'Map', 'Math', 'NaN', 'Number'],
  ...['Object', 'Promise', 'Set', 'String', 'Uint8Array', 'Uint16Array', 'Uint32Array'],
  ...['WebAssembly'],
];
// On the first line, so that the lines of error messages stay right.
const PRELUDE = `const { ${BUILT_IN.join(', ')} } = globalThis; `;

export default {
  createTransformer(options) {
    const swc = createTransformer(options);
    const withPrelude = (result) => ({ ...result, code: PRELUDE + result.code });
    return {
      ...swc,
      getCacheKey: (...args) => swc.getCacheKey(...args) + PRELUDE,
      process: (...args) => withPrelude(swc.process(...args)),
      processAsync: async (...args) => withPrelude(await swc.processAsync(...args)),
    };
  },
};
