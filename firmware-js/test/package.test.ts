/** What somebody who installs the package gets: nothing that it needs is left out. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import ts from 'typescript';

const folder = path.resolve(import.meta.dirname, '..');
const read = (file: string) => readFileSync(path.join(folder, file), 'utf8');
const manifest = JSON.parse(read('package.json')) as {
  exports: Record<string, string | Record<string, string>>;
  moddable: { manifest: string };
  dependencies: Record<string, string>;
  files: string[];
};

const targets = Object.values(manifest.exports).flatMap((target) =>
  typeof target === 'string' ? [target] : Object.values(target),
);
const sources = targets.filter((target) => target.endsWith('.ts'));
const isShipped = (file: string) =>
  manifest.files.some((start) => path.normalize(file).startsWith(start + path.sep));

/** Files of this package and packages of others that running `entry` loads. */
function loaded(entries: string[]): { files: Set<string>; packages: Set<string> } {
  const files = new Set<string>();
  const packages = new Set<string>();
  const visit = (file: string) => {
    if (files.has(file)) return;
    files.add(file);
    for (const { fileName } of ts.preProcessFile(read(file)).importedFiles) {
      if (fileName.startsWith('.')) visit(path.join(path.dirname(file), fileName));
      else if (!fileName.startsWith('node:')) {
        packages.add(/^(@[^/]+\/)?[^/]+/.exec(fileName)![0]);
      }
    }
  };
  entries.forEach((entry) => {
    visit(path.normalize(entry));
  });
  return { files, packages };
}

test('what flashing a board runs is a dependency, and no development dependency', () => {
  const { files, packages } = loaded(sources);
  expect([...packages].sort()).toEqual(Object.keys(manifest.dependencies).sort());
  expect([...files].filter((file) => !isShipped(file))).toEqual([]);
});

test('what its exports and the Moddable manifest name is shipped', () => {
  const { modules } = JSON.parse(read(manifest.moddable.manifest)) as {
    modules: Record<string, string>;
  };
  const named = Object.values(modules).map((file) =>
    path.join(path.dirname(manifest.moddable.manifest), file + '.js'),
  );
  for (const file of [...targets, ...named, manifest.moddable.manifest]) {
    expect([file, isShipped(file)]).toEqual([file, true]);
  }
});
