import { MozaikError } from '../src/index.ts';

/** Runs `run` and returns the code of the error that it throws; anything else fails the test. */
export function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof MozaikError) return error.code;
    throw error;
  }
  throw new Error('nothing was thrown');
}
