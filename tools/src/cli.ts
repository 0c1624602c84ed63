/** The command line `mozaik`. */
import { Command, CommanderError } from 'commander';
import { MozaikError } from '@mozaik/protocol';
import { demoCommand } from './commands/demo.ts';

/** Exit codes: 0 success, 1 something failed, 2 wrong usage. */
const EXIT = { failure: 1, usage: 2 } as const;

function createProgram(): Command {
  const program = new Command('mozaik')
    .description('Encrypted heartbeats, analysed by three parties that never see them')
    .version('0.1.0')
    .exitOverride()
    .showHelpAfterError('(add --help for the options)');
  demoCommand(program);
  return program;
}

/** Runs one command; failures become one sentence on standard error and an exit code. */
export async function main(argv: string[]): Promise<void> {
  try {
    await createProgram().parseAsync(argv);
  } catch (error) {
    process.exitCode = report(error);
  }
}

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT.usage;
  if (error instanceof MozaikError) {
    process.stderr.write(`mozaik: ${error.code}: ${error.message}\n`);
    return EXIT.failure;
  }
  const reason = error instanceof Error ? error.message : String(error);
  process.stderr.write(`mozaik: INTERNAL: ${reason}\n`);
  return EXIT.failure;
}
