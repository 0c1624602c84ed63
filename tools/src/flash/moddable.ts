/**
 * Flashes a Moddable board with `mcpack mcconfig` of the Moddable SDK.
 *
 * The compiler of that SDK reads files and leaves what it makes of them, so that here the key has to
 * be in a file. It is in a folder for this user alone, with all that is built from it, and the folder is
 * removed when the tool has ended, failed or was interrupted.
 */
import { copyFileSync, existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { buildModdable, readSelfTest, type Settings } from '@mozaik/firmware/flash';
import { MozaikError } from '@mozaik/protocol';
import { openSerial } from '../gateway/serial.ts';
import { inPrivateFolder } from './private-folder.ts';
import type { SelfTest, Target } from './target.ts';
import { findTool, runTool } from './tool.ts';

const INSTALL = 'install the Moddable SDK and its ESP32 tools, and put its tools on the PATH';
const SOURCES = path.resolve(import.meta.dirname, '../../../firmware-js/moddable');
const CONSOLE_BAUD = 115_200;
/** The board speaks every two seconds for a minute after it has started. */
const SELF_TEST_MS = 70_000;
/** A board that chatters cannot fill the memory. */
const CONSOLE_MAX_CHARS = 4096;
/** A board without a nonce ledger, and the id of its key. */
const NEW_BOARD = /mozaik new (\d{1,3}(?:,\d{1,3}){15})\r/;
const OWNER_ONLY = { mode: 0o600 } as const;

export interface ModdableOptions {
  /** Such as `esp32` or `esp32/moddable_two`. */
  platform: string;
  port: string;
  wifi: { ssid: string; password: string } | undefined;
}

export function moddableTarget({ platform, port, wifi }: ModdableOptions): Target {
  let tool = 'mcpack';
  let module = '';
  const args = (folder: string) => [
    'mcconfig',
    '-m',
    '-p',
    platform,
    '-o',
    path.join(folder, 'out'),
  ];
  return {
    check: () => {
      tool = findTool('mcpack', INSTALL);
      findTool('mcconfig', INSTALL);
      if (!process.env.MODDABLE) {
        throw new MozaikError('TOOL_MISSING', 'MODDABLE must name the folder of the Moddable SDK');
      }
      if (!existsSync(port)) throw new MozaikError('PORT_MISSING', `${port} is not there`);
    },
    build: async () => {
      module = await buildModdable();
      return [`mozaik.js: ${module.length} bytes of source`];
    },
    plan: () => [
      `UPLOAD_PORT=${port} ${['mcpack', ...args('FOLDER')].join(' ')}`,
      '  (FOLDER, mode 0700, holds the app, the key and all that is built; it is removed afterwards)',
      `read the self-test at ${port}; a board that says that its key is new makes its nonce ledger`,
    ],
    write: (settings, signal) =>
      inPrivateFolder(async (folder) => {
        for (const file of ['flash/main.js', 'example/app.js']) {
          copyFileSync(path.join(SOURCES, file), path.join(folder, path.basename(file)));
        }
        await writeFile(path.join(folder, 'mozaik.js'), module);
        await writeFile(path.join(folder, 'package.json'), '{"type":"module"}\n');
        await writeFile(path.join(folder, 'manifest.json'), manifest(wifi), OWNER_ONLY);
        const secret = settingsModule(settings);
        await writeFile(path.join(folder, 'settings.js'), secret, OWNER_ONLY);
        secret.fill(0);
        await runTool(tool, args(folder), { cwd: folder, env: { UPLOAD_PORT: port }, signal });
      }),
    selfTest: (signal) => listen(port, signal),
  };
}

function manifest(config: ModdableOptions['wifi']): string {
  const include = [
    '$(MODDABLE)/examples/manifest_base.json',
    '$(MODDABLE)/examples/manifest_net.json',
    '$(MODDABLE)/examples/io/tcp/mqttsclient/manifest_mqttsclient.json',
    '$(MODULES)/io/manifest.json',
    '$(MODULES)/io/storage/manifest.json',
    '$(MODULES)/base/timer/manifest.json',
  ];
  const modules = { '*': ['./main', './app', './settings', './mozaik'] };
  return JSON.stringify({ include, modules, ...(config && { config }) });
}

/** It holds the key: the caller wipes it. */
function settingsModule({ masterKey, userId, stream, broker, keep }: Settings): Buffer {
  const { host, port, password } = broker!;
  const keys = { masterKey: [...masterKey], userId: [...userId] };
  const content = { ...keys, stream, host, port, password, keep };
  return Buffer.from(`export default ${JSON.stringify(content)};\n`);
}

/** Reads the console until the board has said what its self-test found. */
async function listen(port: string, signal: AbortSignal): Promise<SelfTest> {
  const stream = await openSerial(port, CONSOLE_BAUD);
  const patience = AbortSignal.timeout(SELF_TEST_MS);
  let text = '';
  try {
    return await new Promise<SelfTest>((resolve, reject) => {
      const fail = () => {
        reject(
          signal.aborted
            ? (signal.reason as Error)
            : new MozaikError('BOARD_FAILED', 'the self-test did not answer'),
        );
      };
      stream.on('data', (chunk: Buffer) => {
        text = (text + chunk.toString('latin1')).slice(-CONSOLE_MAX_CHARS);
        const found = readSelfTest(text);
        if (found !== undefined) resolve(found);
        // Its key was made for it a moment ago, and never used.
        const [, id] = NEW_BOARD.exec(text) ?? [];
        if (id !== undefined) {
          text = '';
          stream.write(`provision ${id}\r`);
        }
      });
      stream.once('error', fail);
      stream.once('close', fail);
      signal.addEventListener('abort', fail, { once: true });
      patience.addEventListener('abort', fail, { once: true });
    });
  } finally {
    stream.destroy();
  }
}
