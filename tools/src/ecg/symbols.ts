/** Annotation codes of the MIT format and their symbols (WFDB Applications Guide, `ecgcodes.h`). */

// Position is the code. Codes 15, 17 and 42 to 49 have no symbol.
const SYMBOLS = [
  ...[
    ' ',
    'N',
    'L',
    'R',
    'a',
    'V',
    'F',
    'J',
    'A',
    'S',
    'E',
    'j',
    '/',
    'Q',
    '~',
    '',
    '|',
    '',
    's',
    'T',
  ],
  ...[
    '*',
    'D',
    '"',
    '=',
    'p',
    'B',
    '^',
    't',
    '+',
    'u',
    '?',
    '!',
    '[',
    ']',
    'e',
    'n',
    '@',
    'x',
    'f',
    '(',
  ],
  ...[')', 'r'],
];

/** Symbol of an annotation code; empty when the code has none. */
export const symbolOf = (code: number): string => SYMBOLS[code] ?? '';

/** Code of an annotation symbol. @throws RangeError for a symbol that no code has. */
export function codeOf(symbol: string): number {
  const code = symbol === '' ? -1 : SYMBOLS.indexOf(symbol);
  if (code < 0) throw new RangeError(`no annotation code has the symbol ${symbol}`);
  return code;
}
