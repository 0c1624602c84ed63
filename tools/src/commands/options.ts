/** Parsers of command-line values. */
import { InvalidArgumentError } from 'commander';

/** 1 to 2^31 - 1. */
export function positiveInteger(text: string): number {
  const value = Number(text);
  if (!/^\d{1,10}$/.test(text) || value < 1 || value >= 2 ** 31) {
    throw new InvalidArgumentError('expected a whole number from 1 on');
  }
  return value;
}
