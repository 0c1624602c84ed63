import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { shared } from './paths.ts';

export interface KnownAnswer {
  count: number;
  key: Uint8Array;
  nonce: Uint8Array;
  plaintext: Uint8Array;
  associatedData: Uint8Array;
  sealed: Uint8Array;
}

const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'));

/** The NIST known answers, or undefined when the shared folder is not there. */
export function readKnownAnswers(): KnownAnswer[] | undefined {
  const file = path.join(shared, 'kat/ascon-aead128.txt');
  if (!existsSync(file)) {
    return undefined;
  }
  return readFileSync(file, 'utf8')
    .trim()
    .split(/\r?\n\r?\n/)
    .map((record) => {
      const fields = new Map(
        record.split(/\r?\n/).map((line) => {
          const [name, value] = line.split('=');
          return [name.trim(), value.trim()];
        }),
      );
      const field = (name: string) => bytes(fields.get(name) as string);
      return {
        count: Number(fields.get('Count')),
        key: field('Key'),
        nonce: field('Nonce'),
        plaintext: field('PT'),
        associatedData: field('AD'),
        sealed: field('CT'),
      };
    });
}

const range = (from: number, length: number) => Uint8Array.from({ length }, (_, i) => from + i);

/** Three of them, so that something is checked everywhere: counts 1, 2 and 1089. */
export const FEW_KNOWN_ANSWERS: KnownAnswer[] = [
  { count: 1, text: 0, data: 0, sealed: '4F9C278211BEC9316BF68F46EE8B2EC6' },
  { count: 2, text: 0, data: 1, sealed: 'CCCB674FE18A09A285D6AB11B35675C0' },
  {
    count: 1089,
    text: 32,
    data: 32,
    sealed:
      'CB34D04660A66DBFBE9C856601F5B8AA51A499B55AC8F7FBEFBC331A613EE9CD' +
      'FD191750A47F211C0A15ED28173D7CAA',
  },
].map(({ count, text, data, sealed }) => ({
  count,
  key: range(0x00, 16),
  nonce: range(0x10, 16),
  plaintext: range(0x20, text),
  associatedData: range(0x30, data),
  sealed: bytes(sealed),
}));
