/** The Espruino modules and the suite as one script, for a bare context or a real interpreter. */
import path from 'node:path';
import { buildEspruino } from '../src/bundle/espruino.ts';
import { link } from '../src/bundle/link.ts';

const entry = path.join(import.meta.dirname, 'suite/espruino-entry.ts');

const asModule = (name: string, code: string): string =>
  `var ${name} = (function () { var exports = {};\n${code}\nreturn exports; })();\n`;

/** The script defines `runPart(part, answers)`, which throws when that part of the suite fails. */
export async function espruinoScript(): Promise<{ modules: string; suite: string }> {
  const [mozaik, ecg, mqtt, outbox, { code, exports }] = await Promise.all([
    buildEspruino('mozaik'),
    buildEspruino('mozaik-ecg'),
    buildEspruino('mozaik-mqtt'),
    buildEspruino('mozaik-outbox'),
    link(entry),
  ]);
  const local = exports.get('runPart') as string;
  return {
    modules:
      asModule('mozaik', mozaik.code) +
      asModule('ecg', ecg.code) +
      asModule('mqtt', mqtt.code) +
      asModule('outbox', outbox.code),
    suite: `${code}\nvar runSuitePart = ${local};\n`,
  };
}
