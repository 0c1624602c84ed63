import {
  AGENT_NOTICE,
  HomomorphicAgent,
  Keyring,
  keysInFolder,
  loadDevices,
  replyOpener,
  type ReplyOpener,
} from '@mozaik/client';
import * as scheme from '@mozaik/fhe/client';
import { MozaikError, toHex, type Identity } from '@mozaik/protocol';
import type { Command } from 'commander';
import { aborted, untilInterrupted } from '../../up/interrupt.ts';
import {
  agentOptions,
  brokerOf,
  brokerOption,
  connectUser,
  folderOptions,
  openUser,
  type AgentOptions,
} from '../options.ts';
import { counted, note, print, printJson, printLine } from '../output.ts';

const keyringOf = (dir: string, identity: Identity): Keyring =>
  new Keyring(keysInFolder(dir), scheme, identity);

/** Opens replies of the homomorphic path with the keys in a user's folder. */
export const folderOpener = (dir: string, identity: Identity): ReplyOpener =>
  replyOpener(keyringOf(dir, identity), scheme);

export function agentCommands(user: Command): void {
  agentCommand(user);
  rekeyCommand(user);
}

function agentCommand(user: Command): void {
  const command = user
    .command('agent')
    .description(
      'open stored heartbeats and encrypt them again for the server of a homomorphic consent, until Ctrl-C',
    )
    .addHelpText('after', `\n${AGENT_NOTICE}`);
  agentOptions(brokerOption(command), 'user').action(async (options: AgentOptions) => {
    const { json } = options;
    const mqttUrl = await brokerOf(options);
    const { api, user: self, dir } = await connectUser(options);
    const signal = untilInterrupted();
    note(AGENT_NOTICE);
    const agent = new HomomorphicAgent({
      ...{ api, mqttUrl, scheme, keyring: keyringOf(dir, self.identity) },
      devices: () => loadDevices(dir),
      onRequest: ({ job, request, frame }) => {
        const { layout, sequences } = request;
        const sent = { job: toHex(job), layout, samples: sequences.length, bytes: frame.length };
        const beats = counted(sent.samples, 'heartbeat', 'heartbeats');
        if (json) printJson(sent);
        else printLine(`${beats} sent, ${sent.bytes} bytes, layout ${layout}, job ${sent.job}`);
      },
      onError: (error) => {
        if (signal.aborted) return;
        note(error instanceof MozaikError ? `${error.code}: ${error.detail ?? ''}` : String(error));
      },
    });
    await agent.start();
    await aborted(signal);
    await agent.close();
  });
}

function rekeyCommand(user: Command): void {
  const command = user
    .command('rekey')
    .description('make new homomorphic keys; the next request replaces those at the server');
  folderOptions(command, 'user').action(async (options: AgentOptions) => {
    const { dir, user: self } = await openUser(options);
    const { epoch, hash } = await keyringOf(dir, self.identity).renew();
    print(options.json, { epoch, keys: toHex(hash) }, [`keys of epoch ${epoch} are in ${dir}`]);
  });
}
