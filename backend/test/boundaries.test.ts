/** What the backend may not contain: it can verify, but decrypt nothing. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from '@jest/globals';

const source = resolve(import.meta.dirname, '../src');
const files = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => ({ name, text: readFileSync(join(source, name), 'utf8') }));

/** Everything that a file imports: module and names. */
const importsOf = (text: string) =>
  [
    ...text.matchAll(
      /(?:import|export)\s+(?:type\s+)?([^;'"]*?)\s*from\s*'([^']+)'|import\s*\(?\s*'([^']+)'/g,
    ),
  ].map(([, names = '', module, bare]) => ({
    module: module ?? bare,
    names: names.match(/[A-Za-z_$][\w$]*/g) ?? [],
  }));

const ALLOWED = new Set([
  '@fastify/rate-limit',
  '@fastify/swagger',
  '@mozaik/protocol',
  'aedes',
  'classic-level',
  'fastify',
  'jose',
]);
/** Of node:crypto, randomness and hashes are all that it needs. */
const CRYPTO_NAMES = ['createHash', 'randomBytes', 'randomUUID'];
const OPENING = [
  'open',
  'openKeyShare',
  'openModel',
  'openModelShare',
  'openReply',
  'openResult',
  'seal',
  'sealKeyShares',
  'sealModel',
  'sealModelShares',
  'sealReply',
  'sealResult',
  'createSealKeys',
  'Secret',
];

describe('the backend', () => {
  test('imports known modules only, and no cipher', () => {
    expect(files.length).toBeGreaterThan(20);
    for (const { name, text } of files) {
      for (const { module, names } of importsOf(text)) {
        if (module.startsWith('.')) continue;
        if (module === 'node:crypto') {
          expect([name, names.filter((one) => !CRYPTO_NAMES.includes(one))]).toEqual([name, []]);
        } else {
          expect([name, module, module.startsWith('node:') || ALLOWED.has(module)]).toEqual([
            name,
            module,
            true,
          ]);
        }
        if (module === '@mozaik/protocol') {
          expect([name, names.filter((one) => OPENING.includes(one))]).toEqual([name, []]);
          expect([name, text.includes('import * as protocol')]).toEqual([name, false]);
        }
      }
    }
  });

  test('the walk above sees an import when there is one', () => {
    expect(
      importsOf("import {\n  open,\n  type X,\n} from '@mozaik/protocol';")[0].names,
    ).toContain('open');
    expect(importsOf("await import('node:crypto')")[0].module).toBe('node:crypto');
    expect(importsOf("import 'x';")[0].module).toBe('x');
  });
});
