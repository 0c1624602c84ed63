import type { BackendOptions } from '@mozaik/backend';
import type { Command } from 'commander';
import { aborted, untilInterrupted } from '../up/interrupt.ts';
import { readConfig } from './config-file.ts';
import { jsonOption } from './options.ts';
import { fields, print } from './output.ts';

interface RunOptions {
  config: string;
  json?: true;
}

const CONFIG_HELP = `
The file is a JSON object. "dataDir" and "audience" are needed; "host", "httpPort", "mqttPort", "tls",
"oidc", "allowedParties", "jobs", "limits" and "logLevel" are not. Paths are relative to the current
folder, ports are 0 (any) and the host is 127.0.0.1 if left out; any other than a loopback address
needs "tls": { "key", "cert" }, two PEM texts. The log goes to standard error.`;

export function backendCommand(program: Command): void {
  const backend = program
    .command('backend')
    .description('the broker, its store and the API: it holds only what it cannot read');
  const command = backend
    .command('run')
    .description('run a backend until Ctrl-C')
    .requiredOption('--config <file>', 'its options, JSON')
    .addHelpText('after', CONFIG_HELP);
  jsonOption(command).action(async ({ config, json }: RunOptions) => {
    const signal = untilInterrupted();
    const options = (await readConfig(config)) as BackendOptions;
    // Loaded here: it is large, and no other command needs it.
    const { startBackend } = await import('@mozaik/backend');
    const { httpUrl, mqttUrl, close } = await startBackend(options);
    const docsUrl = `${httpUrl}/docs`;
    print(
      json,
      { httpUrl, docsUrl, mqttUrl },
      fields({ API: httpUrl, 'its pages': docsUrl, MQTT: mqttUrl }),
    );
    await aborted(signal);
    await close();
  });
}
