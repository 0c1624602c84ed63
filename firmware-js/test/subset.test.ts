import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { envelopeSource, firmwareSources } from './paths.ts';
import {
  bundleViolations,
  CORE_GLOBALS,
  ESPRUINO_GLOBALS,
  violations,
} from '../src/bundle/gate.ts';

const ADAPTERS = ['index.ts', 'node.ts'];
const core = readdirSync(firmwareSources)
  .filter((name) => name.endsWith('.ts') && !ADAPTERS.includes(name))
  .map((name) => path.join(firmwareSources, name));

describe('the language subset of the boards', () => {
  test.each([...core, envelopeSource].map((file) => [path.basename(file), file]))(
    '%s stays within it',
    (_, file) => {
      expect(violations(readFileSync(file, 'utf8'), CORE_GLOBALS)).toEqual([]);
    },
  );

  test.each([
    ['default parameter', 'function f(a = 1) { return a; }'],
    ['rest parameter', 'function f(...a: number[]) { return a; }'],
    ['spread', 'f(...a);'],
    ['spread', 'const a = [...b];'],
    ['spread', 'const a = { ...b };'],
    ['destructuring', 'const { a } = b;'],
    ['destructuring', 'const [a] = b;'],
    ['destructuring', 'function f({ a }: B) { return a; }'],
    ['destructuring', '[a, b] = [b, a];'],
    ['destructuring', 'for (const [a] of b) { f(a); }'],
    ['optional chaining', 'a?.b;'],
    ['optional chaining', 'a?.();'],
    ['logical assignment', 'a ??= 1;'],
    ['logical assignment', 'a ||= 1;'],
    ['logical assignment', 'a &&= 1;'],
    ['exponent', 'a = 2 ** 3;'],
    ['exponent', 'a **= 3;'],
    ['BigInt literal', 'const a = 1n;'],
    ['async', 'async function f() {}'],
    ['async', 'class A { async m() {} }'],
    ['async', 'const a = await b;'],
    ['async', 'for await (const a of b) { f(a); }'],
    ['generator', 'function* f() {}'],
    ['generator', 'class A { *m() {} }'],
    ['private name', 'class A { #a = 1; }'],
    ['static block', 'class A { static { f(); } }'],
    ['extends Error', 'class A extends Error {}'],
    ['extends Error', 'class A extends TypeError {}'],
    ['computed name', 'const a = { [b]: 1 };'],
    ['computed name', 'class A { [b]() {} }'],
    ['tagged template', 'f`a`;'],
    ['meta property', 'function F() { return new.target; }'],
    ['label', 'a: for (;;) { break a; }'],
    ['absent global', 'const a = new Map();'],
    ['absent global', 'throw new RangeError("a");'],
    ['absent global', 'setTimeout(f, 1);'],
    ['absent global', 'const a = new TextEncoder();'],
    ['absent member', 'const a = Math.imul(1, 2);'],
    ['absent member', 'const a = Math.clz32(1) + 1;'],
    ['absent member', 'const a = Math.trunc(1.5);'],
    ['absent member', 'const a = Uint8Array.from(b);'],
    ['absent member', 'const a = Uint8Array.of(1);'],
    ['absent member', 'Object.freeze(a);'],
    ['absent member', 'a.copyWithin(0, 1);'],
    ['absent member', 'const a = b.slice(1);'],
    ['absent member', 'const a = Number.isInteger(1);'],
    ['closure over a loop variable', 'for (let i = 0; i < 3; i++) { a.push(() => i); }'],
    ['closure over a loop variable', 'for (const x of a) { f(function () { return x; }); }'],
    ['used before its definition', 'f(); function f() {}'],
    ['used before its definition', 'function f() { return g(); } function g() { return 1; }'],
    ['used before its definition', 'function f() { g(); function g() {} }'],
    ['used before its definition', 'const a = new B(); class B {}'],
    ['used before its definition', 'const a = b; const b = 1;'],
    ['used before its definition', 'const f = () => a; const a = 1;'],
    ['used before its definition', 'f(a); var a = 1;'],
    ['regular expression', 'const a = /(?<year>[0-9]+)/;'],
    ['regular expression', 'const a = /a/u;'],
    ['import', "const a = import('./a.ts');"],
    ['import', "import { a } from 'node:fs';"],
    ['import', "import { a } from '@mozaik/protocol';"],
    ['import', "export * from 'aedes';"],
    ['not erasable', 'enum A { B }'],
  ])('the gate bites: %s in `%s`', (rule, source) => {
    expect(violations(source, CORE_GLOBALS).map((violation) => violation.rule)).toContain(rule);
  });

  test.each([
    'function f(j) {} for (let i = 0; i < 3; i++) { const j = i; f(j); }',
    'function f(a) { for (const x of a) { f(x); } const g = () => 1; }',
    'function f(s) { const g = (t) => t; return g(s); } const t = 1; function s() {}',
    'const a = /^[a-z]+$/gi; for (let i = 0; i < 3; i++) { const f = function (i) { return i; }; }',
    'class A { private a?: number; m(b?: Map<string, bigint>) { return this.a ?? b; } }',
    "import type { A } from './a.ts'; import { b } from '@mozaik/protocol/envelope';",
    'interface A { of: Set<number>; } function f() {} const a = `x${1}`; try { f(); } catch { f(); }',
    'class A { get a() { return 1; } static b() { return 2; } } class B extends A {}',
  ])('and lets pass `%s`', (source) => {
    expect(violations(source, CORE_GLOBALS)).toEqual([]);
  });
});

describe('the gate on bundles', () => {
  test.each([
    ['module statement', 'const a = 1; export { a };'],
    ['module statement', "import { a } from './a.ts';"],
    ['module statement', 'export default 1;'],
    ['absent global', 'module.exports = 1;'],
    ['absent global', 'console.log(1);'],
    ['closure over a loop variable', 'for(let t=0;t<3;t++)exports.a=()=>t;'],
  ])('bites: %s in `%s`', (rule, source) => {
    expect(bundleViolations(source).map((violation) => violation.rule)).toContain(rule);
  });

  test('knows what a board gives a module', () => {
    expect(
      bundleViolations(ESPRUINO_GLOBALS.map((name) => `exports.a = ${name};`).join('')),
    ).toEqual([]);
  });
});
