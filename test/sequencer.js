/**
 * The order in which test files start: the longest first, so that none is left to run alone at the end.
 * Jest remembers how long files took, but not in a fresh checkout, where the size of a file is all it has.
 */
import Sequencer from '@jest/test-sequencer';

/** The longest, in this order; what is not here comes after them. */
const LONGEST = [
  'mpc/test/attacks.slow.test.ts',
  'tools/test/cli/up.slow.test.ts',
  'tools/test/simulate/fleet.slow.test.ts',
  'tools/test/e2e/homomorphic.slow.test.ts',
  'mpc/test/node/lies.slow.test.ts',
  'tools/test/e2e/demo.slow.test.ts',
  'tools/test/gateway/gateway.slow.test.ts',
  'tools/test/e2e/kill-backend.slow.test.ts',
  'tools/test/cli/fhe.slow.test.ts',
];

export default class LongestFirst extends Sequencer {
  /** @param {{ path: string }[]} tests */
  sort(tests) {
    const rank = ({ path }) => {
      const at = LONGEST.findIndex((name) => path.endsWith(`/${name}`));
      if (at >= 0) return at;
      return path.endsWith('.slow.test.ts') ? LONGEST.length : LONGEST.length + 1;
    };
    // Sorting is stable: among the others it stays as jest has it.
    return super.sort(tests).sort((a, b) => rank(a) - rank(b));
  }
}
