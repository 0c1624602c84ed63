/** What differs between the two paths in a demonstration. */
import {
  AGENT_NOTICE,
  giveConsent,
  HomomorphicAgent,
  loadDevices,
  replyOpener,
  type ConsentRequest,
  type Device,
  type ReplyOpener,
} from '@mozaik/client';
import * as scheme from '@mozaik/fhe/client';
import { classify } from '@mozaik/mpc';
import { toHex, type Adversary } from '@mozaik/protocol';
import { floatLogits } from '../model/network.ts';
import { openHomomorphicHousehold, openHousehold, type Person } from '../stack/household.ts';
import type { ComputePath, Stack } from '../stack/stack.ts';

/** What the plaintext computation says of a window; it has no margin to compare on the second path. */
export interface Twin {
  classIndex: number;
  margin: number | null;
}

export interface DemoPath {
  path: ComputePath;
  person: Person;
  /** For people: who computes, with which model. */
  introduction: string;
  consent: (
    device: Device,
    window: Pick<ConsentRequest, 'mode' | 'stream' | 'from' | 'to'>,
  ) => Promise<void>;
  twin: (window: Uint8Array) => Twin;
  /** Opens the replies of a server. */
  openReply?: ReplyOpener;
  /** What the user's agent has sent so far, bytes, and some of it as the server sees it. */
  sent: { requests: number; keys: number; ciphertext: Uint8Array };
  close: () => Promise<void>;
}

export interface PathOptions {
  dataDir: string;
  modelFile?: string;
  adversary: Adversary;
  onProgress: (text: string) => void;
  onError: (error: unknown) => void;
}

/** Sets up the people of a path around a stack that runs it. */
export function openPath(path: ComputePath, stack: Stack, options: PathOptions): Promise<DemoPath> {
  return path === 'fhe' ? openHomomorphic(stack, options) : openJoint(stack, options);
}

const nothingSent = () => ({ requests: 0, keys: 0, ciphertext: new Uint8Array(0) });

async function openJoint(
  stack: Stack,
  { dataDir, modelFile, adversary }: PathOptions,
): Promise<DemoPath> {
  const household = await openHousehold(stack, dataDir, modelFile);
  const { api, user, pins, parties, model, modelHash } = household;
  const scale = 2 ** (8 + model.fractionBits);
  return {
    path: 'joint',
    person: household,
    introduction: `the user pins three parties; the provider dealt model ${model.name}`,
    consent: async (device, window) => {
      await giveConsent(api, user, device, pins, {
        ...{ ...window, parties, model: modelHash, adversary },
      });
    },
    twin: (window) => {
      const twin = classify(model, window);
      return { classIndex: twin.class, margin: twin.margin / scale };
    },
    sent: nothingSent(),
    close: () => Promise.resolve(),
  };
}

async function openHomomorphic(
  stack: Stack,
  { dataDir, modelFile, onProgress, onError }: PathOptions,
): Promise<DemoPath> {
  const household = await openHomomorphicHousehold(stack, dataDir, modelFile);
  const { api, user, userDir, pins, server, name, float, modelHash, keyring } = household;
  onProgress("the user's agent makes its homomorphic keys");
  const keys = await keyring.current();
  const sent = nothingSent();
  sent.keys = (await keyring.frame(keys)).length;
  const agent = new HomomorphicAgent({
    ...{ api, keyring, scheme, onError },
    mqttUrl: stack.mqttUrl,
    devices: () => loadDevices(userDir),
    onRequest: ({ request, frame }) => {
      sent.requests += frame.length;
      sent.ciphertext = frame.slice(-32);
      onProgress(
        `the agent sent ${request.sequences.length} heartbeats, ${(frame.length / 1e6).toFixed(2)} MB`,
      );
    },
  });
  onProgress(AGENT_NOTICE);
  await agent.start();
  return {
    path: 'fhe',
    person: household,
    introduction: `the user pins server ${toHex(server).slice(0, 8)}; the provider sealed model ${name} to it`,
    consent: async (device, window) => {
      await giveConsent(api, user, device, pins, {
        ...{ ...window, parties: [server], model: modelHash },
      });
    },
    twin: (window) => {
      const logits = floatLogits(float, window);
      return { classIndex: logits.indexOf(Math.max(...logits)), margin: null };
    },
    openReply: replyOpener(keyring, scheme),
    sent,
    close: () => agent.close(),
  };
}
