/** Keys of the store: fixed-width big-endian fields, so that the order of keys is that of numbers. */

export const uint16 = (value: number): Buffer => {
  const out = Buffer.alloc(2);
  out.writeUInt16BE(value);
  return out;
};

export const uint32 = (value: number): Buffer => {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value);
  return out;
};

export const uint48 = (value: number): Buffer => {
  const out = Buffer.alloc(6);
  out.writeUIntBE(value, 0, 6);
  return out;
};

/** Joins fields. Texts are hexadecimal ids. */
export const key = (...fields: (string | Uint8Array)[]): Buffer =>
  Buffer.concat(
    fields.map((field) => (typeof field === 'string' ? Buffer.from(field, 'hex') : field)),
  );

/** The range of all keys that begin with these fields. */
export function withPrefix(...fields: (string | Uint8Array)[]): { gte: Buffer; lte: Buffer } {
  const prefix = key(...fields);
  return { gte: prefix, lte: Buffer.concat([prefix, Buffer.alloc(128, 0xff)]) };
}
