import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { permute } from '../src/ascon.ts';
import { assemble, canAssemble, linkHarness, thumbModule } from '../src/bundle/native.ts';
import { PERMUTATION } from '../src/espruino/thumb.ts';

const STATES = 500;
const QEMU = 'qemu-arm';

const checkedIn = Buffer.from(PERMUTATION, 'base64');
const hasTools = canAssemble();
const hasQemu = spawnSync(QEMU, ['--version']).status === 0;

const tools = hasTools ? test : test.skip;
const both = hasTools && hasQemu ? test : test.skip;
if (!hasTools || !hasQemu) {
  console.warn('NOT RUN: the Thumb-2 routine needs binutils-arm-none-eabi and qemu-user');
}

describe('the Thumb-2 permutation', () => {
  test('needs no alignment of its size and ends with a return', () => {
    expect(checkedIn.length % 2).toBe(0);
    // pop {r4-r11, pc}
    expect(checkedIn.readUInt32LE(checkedIn.length - 4)).toBe(0x8ff0e8bd);
  });

  tools('is what the source in the repository assembles to', () => {
    const module = path.join(import.meta.dirname, '../src/espruino/thumb.ts');
    expect(readFileSync(module, 'utf8')).toBe(thumbModule(assemble()));
  });

  both('equals the permutation of the core on an ARM, and keeps the registers', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'native-'));
    try {
      const program = path.join(folder, 'harness');
      linkHarness(checkedIn, program);
      const calls = new Int32Array(11 * STATES);
      let state = 1;
      for (let i = 0; i < calls.length; i++) {
        state = (Math.imul(state, 1664525) + 1013904223) | 0;
        // Every first round from 0 to 11 in turn.
        calls[i] = i % 11 === 10 ? Math.floor(i / 11) % 12 : state;
      }
      const out = execFileSync(QEMU, [program], { input: Buffer.from(calls.buffer) });
      expect(out.length).toBe(40 * STATES);
      for (let n = 0; n < STATES; n++) {
        const words = calls.slice(11 * n, 11 * n + 10);
        permute(words, calls[11 * n + 10]);
        expect(out.subarray(40 * n, 40 * n + 40)).toEqual(Buffer.from(words.buffer));
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
