/** What commands print: one JSON document for programs, or lines for people. */

/** Prints the result of a command. */
export function print(json: true | undefined, document: unknown, lines: string[]): void {
  if (json) printJson(document);
  else for (const line of lines) printLine(line);
}

/** One JSON document on one line of standard output. */
export function printJson(document: unknown): void {
  printLine(JSON.stringify(document));
}

export function printLine(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Progress, and what else belongs to no result, on standard error. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Rows as lines, in columns as wide as they need to be. */
export function table(rows: string[][]): string[] {
  const widths = rows.reduce<number[]>(
    (widest, row) => row.map((cell, i) => Math.max(cell.length, widest[i] ?? 0)),
    [],
  );
  return rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i]))
      .join('  ')
      .trimEnd(),
  );
}

/** Names and values as lines. */
export const fields = (values: Record<string, string | number>): string[] =>
  table(Object.entries(values).map(([name, value]) => [`${name}:`, String(value)]));

/** A time as people and programs read it. */
export const isoText = (ms: number): string => new Date(ms).toISOString();

/** "1 party is", "3 parties are": one or many of something. */
export const counted = (n: number, one: string, many: string): string =>
  `${n} ${n === 1 ? one : many}`;
