// What a party knows of the sum of two numbers that it holds in clear, as bit planes: rows of `rowBytes` bytes, a
// multiple of 4, the lowest bit first.

/**
 * The carries of x + y, of which row 0 is there, into `carries`; they are added to x and y, whose AND is then
 * what each carry and the next one add up to. `length` is that of all rows of x.
 */
export function sumCarries(
  x: usize,
  y: usize,
  carries: usize,
  rowBytes: usize,
  length: usize,
): void {
  for (let at: usize = 0; at < length; at += 4) {
    const carry = load<u32>(carries + at);
    const xc = load<u32>(x + at) ^ carry;
    const yc = load<u32>(y + at) ^ carry;
    store<u32>(x + at, xc);
    store<u32>(y + at, yc);
    store<u32>(carries + rowBytes + at, (xc & yc) ^ carry);
  }
}

/** products, of which row 0 is there: row n + 1 is the AND of row n and row n of `factors`, `length` bytes. */
export function andChain(factors: usize, products: usize, rowBytes: usize, length: usize): void {
  for (let at: usize = 0; at < length; at += 4) {
    store<u32>(products + rowBytes + at, load<u32>(products + at) & load<u32>(factors + at));
  }
}
