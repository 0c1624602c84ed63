/** The Moddable module and the suite as scripts for an XS worker, which has no module loader. */
import { createHash } from 'node:crypto';
import path from 'node:path';
import { link } from '../../src/bundle/link.ts';
import { buildModdable } from '../../src/bundle/moddable.ts';
import { suite } from '../suite/suite.ts';

const folder = path.resolve(import.meta.dirname, '../suite');
export const stampFile = path.resolve(import.meta.dirname, '../../dist/xs/passed.json');

export interface XsScripts {
  module: string;
  suite: string;
  parts: string[];
  /** Names the scripts: a run counts for them only. */
  hash: string;
}

const IMPORT = /^import (\w+) from "([^"]+)";$/gm;
const EXPORTS = /export \{([^}]*)\};\s*$/;

/** The platform's modules become properties of `platform`, and the exports those of `mozaik`. */
function asScript(module: string): string {
  const exports = (EXPORTS.exec(module)?.[1] ?? '').split(',').map((item) => {
    const [local, name] = item.trim().split(' as ');
    return `${name ?? local}: ${local}`;
  });
  const body = module.replace(EXPORTS, '').replace(IMPORT, 'const $1 = platform["$2"];');
  return `globalThis.mozaik = (function () {\n${body}\nreturn { ${exports.join(', ')} };\n})();\n`;
}

export async function xsScripts(): Promise<XsScripts> {
  const module = asScript(await buildModdable());
  const { code, exports } = await link(path.join(folder, 'xs-entry.ts'));
  const script = `(function () {\n${code}\nglobalThis.runPart = ${exports.get('runPart')};\n})();\n`;
  const hash = createHash('sha256').update(module).update(script).digest('hex');
  return { module, suite: script, parts: suite.map(({ name }) => name), hash };
}
