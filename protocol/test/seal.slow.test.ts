import { expect, test } from '@jest/globals';
import { createSealKeys, open, seal } from '../src/index.ts';
import { codeOf } from './codes.ts';
import { filled, flipped } from './objects.ts';

test('every flipped byte of a sealed message is refused', () => {
  const keys = createSealKeys(filled(32, 1));
  const context = { label: 'test/1', parts: [filled(32, 2)] };
  const sealed = seal(keys.publicKey, context, filled(24, 4));
  for (let at = 0; at < sealed.length; at++) {
    const run = () => open(keys, context, flipped(sealed, at, at % 8));
    expect(codeOf(run)).toBe('SHARE_UNREADABLE');
  }
});
