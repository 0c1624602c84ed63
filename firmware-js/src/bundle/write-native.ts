import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { assemble, thumbModule } from './native.ts';

const module = path.resolve(import.meta.dirname, '../espruino/thumb.ts');
const code = assemble();
writeFileSync(module, thumbModule(code));
console.log(`${code.length} bytes written to src/espruino/thumb.ts`);
