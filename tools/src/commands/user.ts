import { createUserFile, loadDevices } from '@mozaik/client';
import { toHex } from '@mozaik/protocol';
import type { Command } from 'commander';
import { folderOptions, jsonOption, openUser, type AgentOptions } from './options.ts';
import { fields, print } from './output.ts';
import { agentCommands } from './user/agent.ts';
import { consentCommands } from './user/consent.ts';
import { deviceCommands } from './user/device.ts';
import { modelsCommand } from './user/models.ts';
import { pinCommands } from './user/pins.ts';
import { jobsCommand, resultsCommand } from './user/results.ts';
import { samplesCommand } from './user/samples.ts';

export function userCommand(program: Command): void {
  const user = program
    .command('user')
    .description("a person's own keys, devices, pinned parties, consents and results");
  createCommand(user);
  showCommand(user);
  pinCommands(user);
  deviceCommands(user);
  modelsCommand(user);
  consentCommands(user);
  jobsCommand(user);
  resultsCommand(user);
  samplesCommand(user);
  agentCommands(user);
}

function createCommand(user: Command): void {
  const command = user.command('create').description('make the keys of a new user');
  command.requiredOption('--dir <dir>', 'folder for the keys, made if missing');
  jsonOption(command).action(async ({ dir, json }: { dir: string; json?: true }) => {
    const id = toHex((await createUserFile(dir)).identity.id);
    print(json, { user: id, dir }, [
      `user ${id}`,
      `keys are in ${dir}: keep a copy where it is safe`,
    ]);
  });
}

function showCommand(user: Command): void {
  const command = user.command('show').description('show who a user is and what the folder holds');
  folderOptions(command, 'user').action(async (options: AgentOptions) => {
    const { dir, user: self, pins } = await openUser(options);
    const shown = {
      user: toHex(self.identity.id),
      dir,
      devices: (await loadDevices(dir)).length,
      pins: (await pins.list()).length,
    };
    const { user: id, devices, pins: pinned } = shown;
    print(
      options.json,
      shown,
      fields({ user: id, folder: dir, devices, 'pinned parties': pinned }),
    );
  });
}
