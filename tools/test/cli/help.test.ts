/** What every command says of itself. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { Command } from 'commander';
import { createProgram } from '../../src/cli.ts';
import { mozaik } from './support.ts';

const SNAPSHOT = path.join(import.meta.dirname, 'help.snap.txt');
const WIDTH = 100;

/** A command and all below it, by name. */
function allCommands(command: Command, parents: string[] = []): [string, Command][] {
  const names = [...parents, command.name()];
  return [
    [names.join(' '), command],
    ...command.commands.flatMap((child) => allCommands(child, names)),
  ];
}

const commands = allCommands(createProgram());

function helpOf(command: Command): string {
  let text = '';
  command.configureHelp({ helpWidth: WIDTH });
  command.configureOutput({ writeOut: (part) => (text += part) });
  command.outputHelp();
  return text;
}

describe('help', () => {
  test('is as in help.snap.txt; MOZAIK_UPDATE_HELP=1 writes that file', () => {
    const text = commands
      .map(([name, command]) => `$ ${name} --help\n\n${helpOf(command)}`)
      .join('\n');
    if (process.env.MOZAIK_UPDATE_HELP === '1') writeFileSync(SNAPSHOT, text);
    expect(text).toBe(readFileSync(SNAPSHOT, 'utf8'));
  });

  test.each(commands)('%s describes itself and all that it takes', (_name, command) => {
    expect(command.description()).not.toBe('');
    for (const { description } of [...command.registeredArguments, ...command.options]) {
      expect(description).not.toBe('');
    }
    if (command.commands.length === 0) {
      expect(command.options.map(({ long }) => long)).toContain('--json');
    }
  });

  test.each(commands.map(([name]) => name.split(' ').slice(1)))(
    'ends well: %s %s %s',
    async (...args) => {
      const { code, stdout, stderr } = await mozaik(...args, '--help');
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toMatch(/^Usage: mozaik/);
    },
  );
});
