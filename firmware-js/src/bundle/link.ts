/**
 * Joins an entry file and all that it imports into one flat script, types removed, in an order in
 * which everything is defined before it is used.
 */
import { joinModules } from './join.ts';

export interface Linked {
  code: string;
  /** What the entry exports: public name to name in the script. */
  exports: Map<string, string>;
}

/** The one statement that the linker leaves at the end of a script. */
const EXPORTS = /export \{([^}]*)\};\s*$/;

/** @param entry absolute path of a TypeScript file. */
export async function link(entry: string): Promise<Linked> {
  const text = await joinModules(entry, 'es2020');
  const exports = new Map(
    (EXPORTS.exec(text)?.[1] ?? '')
      .split(',')
      .map((item) => item.trim().split(' as '))
      .map(([local, name]) => [name ?? local, local]),
  );
  return { code: text.replace(EXPORTS, ''), exports };
}
