import { describe, expect, test } from '@jest/globals';
import type { Channel } from '../src/engine/channel.ts';
import { lockstep } from '../src/engine/lockstep.ts';
import { localChannels } from './support/local.ts';

/** Sends `count` messages of its own number and returns what the neighbours sent. */
const chatter =
  (direction: 'next' | 'previous', count: number, mark: number) =>
  async (channel: Channel): Promise<number[]> => {
    const heard: number[] = [];
    for (let n = 0; n < count; n++) {
      const message = Uint8Array.of(mark, channel.index, n);
      heard.push(...(await channel.rotate(direction, message, 3)));
    }
    return heard;
  };

const expected = (from: number, count: number, mark: number) =>
  Array.from({ length: count }, (_, n) => [mark, from, n]).flat();

describe('lockstep', () => {
  test.each([
    ['next', 'next'],
    ['next', 'previous'],
    ['previous', 'next'],
  ] as const)('two flows, %s and %s, cost the rounds of the longer', async (one, other) => {
    const channels = localChannels();
    const results = await Promise.all(
      channels.map((channel) => lockstep(channel, chatter(one, 5, 1), chatter(other, 9, 2))),
    );
    results.forEach(([first, second], i) => {
      const from = (direction: string) => (i + (direction === 'next' ? 2 : 1)) % 3;
      expect(first).toEqual(expected(from(one), 5, 1));
      expect(second).toEqual(expected(from(other), 9, 2));
      expect(channels[i].meter).toEqual({ rounds: 9, bytesSent: 3 * 14 });
    });
  });

  test('when one flow fails, the other does not hang', async () => {
    const failing = async (channel: Channel): Promise<void> => {
      await channel.rotate('next', new Uint8Array(1), 1);
      throw new Error('broken');
    };
    const outcomes = await Promise.all(
      localChannels().map((channel) =>
        lockstep(channel, failing, chatter('next', 5, 1)).catch((error: Error) => error.message),
      ),
    );
    expect(outcomes).toEqual(['broken', 'broken', 'broken']);
  });

  test('when the channel fails, both flows end', async () => {
    const [{ index, meter }] = localChannels();
    const channel: Channel = { index, meter, rotate: () => Promise.reject(new Error('gone')) };
    const flows = lockstep(channel, chatter('next', 2, 1), chatter('previous', 2, 2));
    await expect(flows).rejects.toThrow('gone');
  });
});
