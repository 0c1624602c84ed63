/**
 * Flashes an Espruino board with Espruino's own command-line tool.
 *
 * The tool takes files by their names. The modules are files in a temporary folder. The settings, which
 * hold the key, are none: the tool reads them from a pipe, as `/dev/stdin`.
 */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import {
  espruinoFiles,
  espruinoSettings,
  PROVISION,
  readFailure,
  readSelfTest,
  SELF_TEST,
  SETTINGS_FILE,
} from '@mozaik/firmware/flash';
import { MozaikError } from '@mozaik/protocol';
import { inPrivateFolder } from './private-folder.ts';
import type { Target } from './target.ts';
import { findTool, runTool } from './tool.ts';

const INSTALL = 'run "npm install --global espruino@0.1.67" (and "serialport" for a serial port)';
/** Runs after the files were written: the board makes its ledger, and starts again, and with it the sensor. */
const RESTART = `${PROVISION}setTimeout(function(){load();},500);\n`;

/** The tool looks boards up on the Internet, without checking whom it talks to; nothing here needs that. */
const OFFLINE = ['--config', 'BOARD_JSON_URL=http://127.0.0.1:9'];

export interface EspruinoOptions {
  board: string;
  network: boolean;
  thumb: boolean;
  ecg: boolean;
  /** Whether it has an outbox in flash. */
  keep: boolean;
  /** A serial port, `tcp://host:port`, or a Bluetooth address. */
  port: string;
}

export function espruinoTarget(options: EspruinoOptions): Target {
  const { port } = options;
  let tool = 'espruino';
  let files = new Map<string, Uint8Array>();
  let messages: string[] = [];
  const isBluetooth = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(port);
  const connection = ['-q', ...(isBluetooth ? [] : ['--no-ble']), ...OFFLINE, '-p', port];
  const storage = (name: string, file: string) => ['--storage', `${name}:${file}`];
  const writing = (folder: string) => [
    ...connection,
    ...[...files.keys()].flatMap((name, n) => storage(name, path.join(folder, String(n)))),
    ...storage(SETTINGS_FILE, '/dev/stdin'),
    path.join(folder, 'restart.js'),
  ];
  const testing = [...connection, '-e', SELF_TEST];

  return {
    check: () => {
      tool = findTool('espruino', INSTALL);
      if (port.startsWith('/') && !existsSync(port)) {
        throw new MozaikError('PORT_MISSING', `${port} is not there`);
      }
    },
    build: async () => {
      ({ files, messages } = await espruinoFiles(options));
      return [...files].map(([name, bytes]) => `${name}: ${bytes.length} bytes`);
    },
    plan: () => [
      `${['espruino', ...writing('FOLDER')].join(' ')}`,
      `  (FOLDER holds the files above; ${SETTINGS_FILE}, with the key, comes through a pipe;`,
      '  restart.js has the board make the nonce ledger of this key, in flash of its own, and start)',
      `${['espruino', ...connection].join(' ')} -e "the self-test"`,
    ],
    write: (settings, signal) =>
      inPrivateFolder(async (folder) => {
        const contents = [...files.values()];
        await Promise.all(
          contents.map((bytes, n) => writeFile(path.join(folder, String(n)), bytes)),
        );
        await writeFile(path.join(folder, 'restart.js'), RESTART);
        const input = espruinoSettings(settings);
        try {
          checkOutput(await runTool(tool, writing(folder), { input, signal }), port);
        } finally {
          input.fill(0);
        }
      }),
    selfTest: async (signal) => {
      const output = await runTool(tool, testing, { signal });
      checkOutput(output, port);
      const found = readSelfTest(output);
      if (found === undefined) {
        const failure = readFailure(output, messages) ?? 'the self-test did not answer';
        throw new MozaikError('BOARD_FAILED', failure);
      }
      return found;
    },
  };
}

/** The tool ends with code 0 whatever happens. */
function checkOutput(output: string, port: string): void {
  if (output.includes('Unable to connect') || output.includes('No Ports Found')) {
    const detail = output.includes("No 'serialport' module found")
      ? ': run "npm install --global serialport@10", which espruino needs for serial ports'
      : '';
    throw new MozaikError(
      detail ? 'TOOL_MISSING' : 'PORT_MISSING',
      `${port} cannot be opened${detail}`,
    );
  }
}
