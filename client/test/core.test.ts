import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';

/** Files of src/ that `file` imports, directly or not, and packages that any of them imports. */
function importsOf(file: string, files = new Set<string>(), packages = new Set<string>()) {
  if (files.has(file)) return { files, packages };
  files.add(file);
  const source = readFileSync(new URL(`../src/${file}`, import.meta.url), 'utf8');
  for (const [, name] of source.matchAll(/^(?:import|export|\}).*? from '([^']+)';$/gm)) {
    if (name.startsWith('./')) importsOf(name.slice(2), files, packages);
    else packages.add(name);
  }
  return { files, packages };
}

test('the core needs nothing that a browser does not have', () => {
  const { files, packages } = importsOf('core.ts');
  expect([...packages].sort()).toStrictEqual(['@mozaik/firmware', '@mozaik/protocol']);
  expect(files.size).toBeGreaterThan(8);
  for (const file of files) {
    const source = readFileSync(new URL(`../src/${file}`, import.meta.url), 'utf8');
    expect(source).not.toMatch(/\b(Buffer|process|require|__dirname)\b/);
  }
});
