import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { runInContext } from 'node:vm';
import { crc32 } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { CORE_GLOBALS, violations } from '../src/bundle/gate.ts';
import { bareContext } from './bare-context.ts';
import { espruinoScript } from './espruino-script.ts';
import { suiteData } from './suite-data.ts';
import { nodeSdk } from './suite/node-sdk.ts';
import { suite } from './suite/suite.ts';

const data = suiteData();
const { modules, suite: script } = await espruinoScript();

const parts = suite.map(({ name }, part) => ({ name, part }));

describe('the engines suite on Node', () => {
  test.each(parts)('$name', ({ part }) => {
    suite[part].run(nodeSdk, data);
  });
});

describe('the engines suite on the Espruino modules, without what Espruino lacks', () => {
  test.each(parts)('$name', ({ part }) => {
    const context = bareContext({ E: { CRC32: (bytes: Uint8Array) => crc32(bytes) } });
    runInContext(modules + script, context);
    runInContext(`runSuitePart(${part}, ${JSON.stringify(data)})`, context);
  });

  test.each([
    'new Map()',
    'Math.imul(2, 3)',
    'Math.trunc(1.5)',
    'Uint8Array.from([1])',
    'Uint8Array.of(1)',
    'new Uint8Array(4).copyWithin(0, 1)',
    'new Uint8Array(4).slice(1).buffer.byteLength',
    'Array.from([1])',
    '[1].at(0)',
    '[1].flat()',
    'Object.freeze({})',
    'Number.isInteger(1)',
    'new RangeError()',
    'Symbol.iterator',
    'structuredClone(1)',
    'setTimeout(() => {}, 1)',
    'new TextEncoder()',
    'process.exit()',
    'Promise.resolve().finally(() => {})',
    '"a".replaceAll("a", "b")',
    '"a".at(0)',
  ])('and there `%s` is missing', (code) => {
    expect(() => runInContext(code, bareContext({})) as unknown).toThrow();
  });

  test('a part that fails is noticed', () => {
    const context = bareContext({});
    runInContext(modules.replace('>>>19', '>>>18') + script, context);
    expect(() => runInContext('runSuitePart(0, { answers: [] })', context) as unknown).toThrow(
      'known answer 0',
    );
  });
});

test('the suite itself stays within what boards understand', () => {
  const folder = path.join(import.meta.dirname, 'suite');
  const globals = [...CORE_GLOBALS, 'String', 'parseInt', 'mozaik', 'ecg', 'mqtt', 'outbox'];
  const files = readdirSync(folder).filter((name) => !name.startsWith('node-'));
  const found = files.flatMap((name) =>
    violations(readFileSync(path.join(folder, name), 'utf8'), globals).filter(
      ({ rule }) => rule !== 'import',
    ),
  );
  expect(found).toEqual([]);
});
