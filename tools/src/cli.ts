/** The command line `mozaik`. */
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { MozaikError } from '@mozaik/protocol';
import { backendCommand } from './commands/backend.ts';
import { benchCommand } from './commands/bench.ts';
import { demoCommand } from './commands/demo.ts';
import { deviceCommand } from './commands/device.ts';
import { fheCommand } from './commands/fhe.ts';
import { flashCommand } from './commands/flash.ts';
import { gatewayCommand } from './commands/gateway.ts';
import { modelCommand } from './commands/model.ts';
import { partyCommand } from './commands/party.ts';
import { upCommand } from './commands/up.ts';
import { userCommand } from './commands/user.ts';

/** Exit codes other than 0: something failed, wrong usage. */
const EXIT = { failure: 1, usage: 2 } as const;

/** All commands. Parsing throws instead of ending the process. */
export function createProgram(): Command {
  const program = new Command('mozaik')
    .description('Encrypted heartbeats, analysed by three parties that never see them')
    .version('0.1.0')
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'mozaik: ')) })
    .showHelpAfterError('(add --help for the options)')
    .addHelpText('after', '\nExit codes: 0 done, 1 failed, 2 called wrongly.');
  demoCommand(program);
  upCommand(program);
  deviceCommand(program);
  flashCommand(program);
  gatewayCommand(program);
  userCommand(program);
  partyCommand(program);
  fheCommand(program);
  modelCommand(program);
  backendCommand(program);
  benchCommand(program);
  return program;
}

/** Runs the command line of this process and sets its exit code. */
export async function main(argv: string[]): Promise<void> {
  // A reader such as `head` that has had enough is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });
  process.exitCode = await run(argv);
}

/**
 * Runs one command; a failure becomes one sentence on standard error.
 * @returns the exit code
 */
export async function run(argv: string[]): Promise<number> {
  try {
    await createProgram().parseAsync(argv);
    return 0;
  } catch (error) {
    return report(error);
  }
}

function report(error: unknown): number {
  if (error instanceof InvalidArgumentError) {
    process.stderr.write(`mozaik: ${error.message}\n`);
    return EXIT.usage;
  }
  // The parser has said what is wrong.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT.usage;
  const known = error instanceof MozaikError ? error : describe(error as NodeJS.ErrnoException);
  process.stderr.write(`mozaik: ${known.code}: ${known.message}\n`);
  return EXIT.failure;
}

/** An error of the system that names a file is about a path that the user gave. */
function describe(error: NodeJS.ErrnoException): MozaikError {
  if (typeof error.path === 'string') {
    return new MozaikError('INPUT_FILE', `${error.path}: ${error.code}`);
  }
  return new MozaikError('INTERNAL', error instanceof Error ? error.message : String(error));
}
