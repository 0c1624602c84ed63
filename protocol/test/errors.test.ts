/** `docs/errors.md` and the catalogue of codes say the same. */
import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { ERRORS, MozaikError, type ErrorCode, type ErrorTier } from '../src/index.ts';

const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');

/** Rows of the tables: the section's tier, then code, status, what happened, what to do. */
function documented(): Map<
  string,
  { tier: string; status: number; title: string; advice: string }
> {
  const rows = new Map<string, { tier: string; status: number; title: string; advice: string }>();
  let tier = '';
  for (const line of page.split('\n')) {
    tier = /^## .*`(\w+)`/.exec(line)?.[1] ?? tier;
    const cells = line.split('|').map((cell) => cell.trim());
    const code = /^`([A-Z_]+)`$/.exec(cells[1] ?? '')?.[1];
    if (code === undefined) continue;
    expect(rows.has(code)).toBe(false);
    expect(cells.length).toBe(6);
    rows.set(code, { tier, status: Number(cells[2]), title: cells[3], advice: cells[4] });
  }
  return rows;
}

describe('errors', () => {
  test('the page documents exactly the codes that there are, with the same words', () => {
    const expected = Object.entries(ERRORS).map(([code, kind]) => [code, { ...kind }] as const);
    expect(Object.fromEntries(documented())).toStrictEqual(Object.fromEntries(expected));
  });

  test.each(Object.keys(ERRORS) as ErrorCode[])('%s is made of whole sentences', (code) => {
    const { title, advice, tier, status } = ERRORS[code];
    for (const sentence of [title, advice]) expect(sentence).toMatch(/^[A-Z].*\.$/);
    expect(['internal', 'request', 'peer', 'record'] satisfies ErrorTier[]).toContain(tier);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(600);
    expect(new MozaikError(code).tier).toBe(tier);
  });

  test('the message says what happened, where, and what to do', () => {
    const error = new MozaikError('NOT_FOUND', 'job 12', { cause: new Error('inner') });
    const { title, advice } = ERRORS.NOT_FOUND;
    expect(error.message).toBe(`${title} (job 12) ${advice}`);
    expect(new MozaikError('NOT_FOUND').message).toBe(`${title} ${advice}`);
    expect(error).toMatchObject({ name: 'MozaikError', code: 'NOT_FOUND', detail: 'job 12' });
    expect(error.cause).toBeInstanceOf(Error);
    expect(inspect(error)).toContain('NOT_FOUND');
  });
});
