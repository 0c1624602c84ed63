/**
 * A context of this process from which everything that Espruino 2v29 lacks has been removed, and what
 * it does wrongly is wrong. Syntax cannot be removed; the gate judges that.
 */
import { createContext, runInContext } from 'node:vm';
import type { Context } from 'node:vm';

const GLOBALS = [
  'Array',
  'ArrayBuffer',
  'Boolean',
  'DataView',
  'Date',
  'Error',
  'Float32Array',
  'Float64Array',
  'Function',
  'Infinity',
  'Int16Array',
  'Int32Array',
  'Int8Array',
  'JSON',
  'Math',
  'NaN',
  'Number',
  'Object',
  'Promise',
  'RegExp',
  'String',
  'SyntaxError',
  'TypeError',
  'Uint16Array',
  'Uint32Array',
  'Uint8Array',
  'Uint8ClampedArray',
  'decodeURIComponent',
  'encodeURIComponent',
  'eval',
  'globalThis',
  'isFinite',
  'isNaN',
  'parseFloat',
  'parseInt',
  'undefined',
];

/** Members that stay, of each object that a script can reach by name; `*` is any typed array. */
const MEMBERS: Record<string, string> = {
  Array: 'isArray length name prototype',
  'Array.prototype':
    'concat constructor every fill filter find findIndex forEach includes indexOf join length map ' +
    'pop push reduce reverse shift slice some sort splice toString unshift',
  ArrayBuffer: 'isView length name prototype',
  'ArrayBuffer.prototype': 'byteLength constructor',
  Math:
    'E PI abs acos asin atan atan2 ceil clip cos exp floor log max min pow random round sin sqrt tan ' +
    'wrap',
  Number: 'MAX_VALUE MIN_VALUE NEGATIVE_INFINITY NaN POSITIVE_INFINITY length name prototype',
  Object:
    'assign create defineProperties defineProperty entries fromEntries getOwnPropertyDescriptor ' +
    'getOwnPropertyDescriptors getOwnPropertyNames getPrototypeOf is keys length name prototype ' +
    'setPrototypeOf values',
  Promise: 'all length name prototype reject resolve',
  'Promise.prototype': 'catch constructor then',
  String: 'fromCharCode length name prototype',
  'String.prototype':
    'charAt charCodeAt concat constructor endsWith includes indexOf lastIndexOf length match padEnd ' +
    'padStart repeat replace slice split startsWith substr substring toLowerCase toString ' +
    'toUpperCase trim',
  '*': 'BYTES_PER_ELEMENT length name prototype',
  '*.prototype':
    'buffer byteLength byteOffset constructor every fill filter find findIndex forEach includes ' +
    'indexOf join length map reduce reverse set slice some sort subarray toString',
};

const STRIP = `(globals, members) => {
  const keep = (owner, list) => {
    const kept = new Set(list.split(' '));
    for (const key of Reflect.ownKeys(owner)) {
      // Symbols stay: the engine's own iteration needs them, and scripts cannot name them.
      if (typeof key === 'string' && !kept.has(key)) delete owner[key];
    }
  };
  const typed = Object.getPrototypeOf(Uint8Array);
  for (const [path, list] of Object.entries(members)) {
    const owner = path.startsWith('*')
      ? path === '*' ? typed : typed.prototype
      : path.split('.').reduce((object, name) => object[name], globalThis);
    keep(owner, list);
  }
  typed.prototype.slice = function (from, to) {
    return Array.prototype.slice.call(this, from, to);
  };
  const kept = new Set(globals);
  for (const key of Reflect.ownKeys(globalThis)) {
    if (typeof key === 'string' && !kept.has(key)) delete globalThis[key];
  }
}`;

/** @param provided globals of the board, such as `print`. */
export function bareContext(provided: Record<string, unknown>): Context {
  const context = createContext({});
  const strip = runInContext(STRIP, context) as (
    globals: string[],
    members: Record<string, string>,
  ) => void;
  strip(GLOBALS, MEMBERS);
  return Object.assign(context, provided);
}
