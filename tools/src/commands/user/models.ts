import { expectModel } from '@mozaik/client';
import { toHex } from '@mozaik/protocol';
import type { Command } from 'commander';
import { agentOptions, connectUser, type AgentOptions } from '../options.ts';
import { print, table } from '../output.ts';

export function modelsCommand(user: Command): void {
  const command = user.command('models').description('list the models that a consent can name');
  agentOptions(command, 'user').action(async (options: AgentOptions) => {
    const { api } = await connectUser(options);
    const models = [];
    for (const { model } of await api.models()) {
      const { name, provider, parties, classes } = expectModel(await api.model(model), model).value;
      models.push({
        model: toHex(model),
        name,
        provider: toHex(provider),
        parties: parties.map(toHex),
        classes,
      });
    }
    const rows = models.map(({ model, name, provider }) => [model, name, provider]);
    print(options.json, { models }, table([['model', 'name', 'provider'], ...rows]));
  });
}
