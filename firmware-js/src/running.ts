/** Integer arithmetic and running statistics for what a board knows of its wearer's heart. */

/** 0 to 255: `x` rounded down, and cut off at the ends. */
export function toByte(x: number): number {
  return x > 0 ? (x < 255 ? Math.floor(x) : 255) : 0;
}

/** How far `a / b` is from 1, in units of 1/`unit`, on top of 128; 255 when b is nothing. */
export function relation(a: number, b: number, unit: number): number {
  return b > 0 ? toByte(128 + (unit * (a - b)) / b) : 255;
}

/**
 * The binary logarithm of an integer from 1 on, in units of 1/32, straight between powers of two:
 * the same on every board, whose logarithms of real numbers may differ.
 */
export function log2(x: number): number {
  let power = 1;
  let exponent = 0;
  while (256 * power <= x) {
    power *= 256;
    exponent += 8;
  }
  while (2 * power <= x) {
    power *= 2;
    exponent++;
  }
  return 32 * exponent + Math.floor((32 * (x - power)) / power);
}

/** The last `length` values in order of size. */
export class RunningOrder {
  private readonly recent: Int32Array;
  private readonly sorted: Int32Array;
  private next = 0;
  /** How many values there are, up to `length`. */
  count = 0;

  constructor(length: number) {
    this.recent = new Int32Array(length);
    this.sorted = new Int32Array(length);
  }

  /** Takes a value in; the oldest goes when there are too many. */
  add(value: number): void {
    const sorted = this.sorted;
    let at = this.count;
    if (at === this.recent.length) {
      const oldest = this.recent[this.next];
      at = 0;
      while (sorted[at] !== oldest) {
        at++;
      }
      // The gap that it leaves moves to where the new value belongs.
      for (; at + 1 < this.count && sorted[at + 1] < value; at++) {
        sorted[at] = sorted[at + 1];
      }
    } else {
      this.count++;
    }
    for (; at > 0 && sorted[at - 1] > value; at--) {
      sorted[at] = sorted[at - 1];
    }
    sorted[at] = value;
    this.recent[this.next] = value;
    this.next = (this.next + 1) % this.recent.length;
  }

  /** The value that `part` of 8 eighths of the others are below: 4 for the median, the lower of two. */
  eighth(part: number): number {
    return this.sorted[Math.floor(((this.count - 1) * part) / 8)];
  }
}
