/**
 * Chooses the fastest permutation that is right on this board: our Thumb-2 routine, Espruino's
 * compiler, or the plain interpreter. Each one is tried on a known answer before it is trusted.
 *
 * The routine is a file in Storage, which only a board whose chip has Thumb-2 is given: machine code
 * of another chip would not fail the test but stop the board.
 */
import { ascon, permute } from '../ascon.ts';
import type { Storage } from './board.ts';

/** Storage file with the machine code. */
const CODE_FILE = 'mozaik.p';

/** What the permutation runs through. */
export type Speed = 'native' | 'jit' | 'plain';

/** Ten words in one piece of memory, which machine code needs; undefined when there is none. */
function flatWords(): Int32Array | undefined {
  const flat = E.toFlatString ? E.toFlatString(new Uint8Array(40)) : undefined;
  return flat ? new Int32Array(E.toArrayBuffer(flat)) : undefined;
}

/**
 * The permutation of eight rounds maps the state 0, 1, ... 9 to one whose words xor to this.
 * Any single wrong operation changes about half of its bits.
 */
const CHECK = -1280712485;

function works(): boolean {
  const s = ascon.allocate();
  for (let i = 0; i < 10; i++) {
    s[i] = i;
  }
  ascon.permute(s, 4);
  let sum = 0;
  for (let i = 0; i < 10; i++) {
    // Rotated by the place, so that exchanged words are noticed.
    sum ^= (s[i] << i) | (s[i] >>> (32 - i));
  }
  return sum === CHECK;
}

/** Takes the routine into use when it passes. */
function attempt(take: () => void): boolean {
  try {
    take();
    return works();
  } catch {
    return false;
  }
}

/**
 * Sets up the cipher and tells what it runs through.
 *
 * @throws Error when not even the plain permutation gives the known answer: nothing may be encrypted.
 */
export function chooseCipher(): Speed {
  const plain = ascon.allocate;
  if (
    attempt(() => {
      const code = (boardRequire('Storage') as Storage).read(CODE_FILE);
      if (code === undefined) {
        throw new Error('no machine code');
      }
      const native = E.nativeCall(1, 'void(int,int)', code);
      ascon.allocate = () => flatWords() ?? plain();
      ascon.permute = (s, first) => {
        const address = E.getAddressOf(s, true);
        if (!address) {
          throw new Error('no flat memory');
        }
        native(address, first);
      };
    })
  ) {
    return 'native';
  }
  ascon.allocate = plain;
  if (
    attempt(() => {
      const compiled = permute.toString().replace('{', '{"jit";');
      // eslint-disable-next-line @typescript-eslint/no-implied-eval
      const make = new Function('return ' + compiled) as () => typeof permute;
      ascon.permute = make();
    })
  ) {
    return 'jit';
  }
  ascon.permute = permute;
  if (!works()) {
    throw new Error('self-test: this board computes the cipher wrongly');
  }
  return 'plain';
}
