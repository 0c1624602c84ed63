#!/usr/bin/env node
// Sources are TypeScript and run through tsx; this file is the one that npm links as `mozaik`.
import { register } from 'tsx/esm/api';

register();
const { main } = await import('../src/cli.ts');
await main(process.argv);
