/** `mozaik flash` with fake tools on the PATH, a real backend, and a board of memory. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { startBackend, type Backend } from '@mozaik/backend';
import { Api, createUserFile, loadDevices, type User } from '@mozaik/client';
import { SELF_TEST } from '@mozaik/firmware/flash';
import { deviceId } from '@mozaik/firmware';
import { toHex } from '@mozaik/protocol';
import { FakeBoard } from '../../../firmware-js/test/fake-board.ts';
import { FakeFlash } from '../../../firmware-js/test/fake-flash.ts';
import { MOZAIK, mozaik, temporaryFolder, type Outcome } from '../cli/support.ts';
import { startConsole } from './fake-console.ts';
import { startFakeTools, type Call, type Reply } from './fake-tool.ts';

const AUDIENCE = 'flash-test';
const PATH = process.env.PATH ?? '';

let backend: Backend;
beforeAll(async () => {
  const dataDir = path.join(temporaryFolder(), 'backend');
  backend = await startBackend({ dataDir, audience: AUDIENCE, logLevel: 'silent' });
});
afterAll(() => backend.close());

let dir: string;
let bin: string;
let api: Api;
let user: User;
let board: FakeBoard;

/** What the board's start script leaves. */
interface Started {
  sealer: { beat: (window: Uint8Array, timeMs: number) => number };
  transport: { pending: () => number };
}
let closeTools: () => Promise<void> = () => Promise.resolve();
let calls: Call[];

beforeEach(async () => {
  const folder = temporaryFolder();
  [dir, bin] = [path.join(folder, 'user'), path.join(folder, 'bin')];
  mkdirSync(bin);
  user = await createUserFile(dir);
  api = new Api({
    url: backend.httpUrl,
    audience: AUDIENCE,
    role: 'user',
    identity: user.identity,
  });
  board = new FakeBoard();
  process.env.PATH = `${bin}:${PATH}`;
});
afterEach(async () => {
  process.env.PATH = PATH;
  delete process.env.MODDABLE;
  await closeTools();
});

async function fakeTools(answer: (call: Call) => Reply | Promise<Reply>): Promise<void> {
  const tools = await startFakeTools(bin, ['espruino', 'mcpack', 'mcconfig'], answer);
  ({ calls, close: closeTools } = tools);
}

/** Does what Espruino's tool does: files into Storage, or an expression at the console. */
function espruino(call: Call): Reply {
  const { args, files } = call;
  args.forEach((arg, n) => {
    if (args[n - 1] !== '--storage') return;
    const at = arg.indexOf(':');
    board.storage.writeText(arg.slice(0, at), files[arg.slice(at + 1)].text);
  });
  const at = args.indexOf('-e');
  const code = at < 0 ? files[args.at(-1)!].text : args[at + 1];
  try {
    board.run(code, { setTimeout: () => undefined });
  } catch (error) {
    board.printed.push(`Uncaught ${String(error)}`);
  }
  return { output: `${board.printed.splice(0).join('\n')}\n=undefined\nDone\n` };
}

const where = () => ['--dir', dir, '--backend', backend.httpUrl, '--audience', AUDIENCE];
const flashing = (...options: string[]) => ['flash', '--name', 'my puck', ...options];
const puck = ['--board', 'espruino:PUCKJS', '--port', 'tcp://board'];
const flash = (...options: string[]): Promise<Outcome> =>
  mozaik(...flashing(...options), ...where());

const temporary = (): string[] =>
  readdirSync(tmpdir()).filter((name) => name.startsWith('mozaik-flash-'));

/** The key in every form in which somebody could come across it. */
const forms = (key: Uint8Array): string[] => [
  toHex(key),
  key.join(),
  [...key].join(', '),
  Buffer.from(key).toString('base64'),
  Buffer.from(key).toString('latin1'),
];

const writtenKey = (): Uint8Array =>
  Uint8Array.from(
    (JSON.parse(board.storage.read('mozaik.k')!) as { masterKey: number[] }).masterKey,
  );

/** A process that has ended may wait for its parent's parent to notice. */
const isRunning = (pid: number): boolean =>
  /^[^Z]/.test(spawnSync('ps', ['-o', 'stat=', '-p', String(pid)]).stdout.toString());

/** Nothing of a board that failed is left. */
async function expectNothingLeft(): Promise<void> {
  expect(await loadDevices(dir)).toEqual([]);
  expect(await api.devices()).toEqual([]);
  expect(temporary()).toEqual([]);
}

describe('an Espruino board', () => {
  test('gets code and key, tests itself, starts, and is registered', async () => {
    await fakeTools(espruino);
    const gateway = path.join(temporaryFolder(), 'gateway');
    const { code, stdout, stderr } = await flash(...puck, '--ecg', 'D1', '--gateway', gateway);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const steps = ['building', 'the key of device', 'writing', 'the self-test passed', 'is kept'];
    const at = [...steps, 'admitted', 'registered'].map((step) => stderr.indexOf(step));
    expect(at).toEqual([...at].sort((x, y) => x - y));
    expect(at[0]).toBeGreaterThanOrEqual(0);
    expect(calls.map(({ args }) => args.includes('-e'))).toEqual([false, true]);

    const [device] = await loadDevices(dir);
    const key = device.masterKey.expose();
    expect(device.name).toBe('my puck');
    expect(writtenKey()).toEqual(key);
    expect((await api.devices()).map(({ device: id }) => id)).toEqual([device.id]);
    expect(stdout).toContain(toHex(device.id));
    expect(stdout).toMatch(/cipher: +(native|jit|plain)/);
    const credential = path.join(gateway, 'boards', `${toHex(device.id)}.json`);
    expect(statSync(credential).mode & 0o777).toBe(0o600);

    // The board starts by itself and names itself to a gateway.
    board.run(board.storage.read('.boot2')!);
    board.bluetooth('connect');
    board.pass(90);
    const hello = Buffer.concat(board.packets.map((packet) => packet.subarray(1)));
    expect(hello.subarray(1, 17)).toEqual(Buffer.from(device.id));
  });

  test('with --keep gets an outbox in flash that is free', async () => {
    await fakeTools(espruino);
    const free = new FakeFlash(12);
    board = new FakeBoard({ flash: free });
    free.getFree = () => [{ addr: 4096, length: 10 * 4096 }];
    const { code, stderr } = await flash(...puck, '--keep', '100');
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const start = () => board.run(`${board.storage.read('.boot2')!}mozaikDevice`) as Started;
    start().sealer.beat(new Uint8Array(187), 1.7e12);
    // The outbox's first page, and both of the ledger: the one that was made, and the first one used.
    expect(free.erasures).toEqual([0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0]);
    expect(start().transport.pending()).toBe(1);

    free.getFree = () => [{ addr: 4096, length: 9 * 4096 }];
    const without = await mozaik('flash', '--name', 'other', ...puck, '--keep', '100', ...where());
    expect(without.stderr).toMatch(/^mozaik: BOARD_FAILED: .*not enough free flash/m);
  }, 90_000);

  test('is given its key through a pipe and nowhere else', async () => {
    await fakeTools(espruino);
    const { stdout, stderr } = await flash(...puck);
    const [write, check] = calls;
    const key = writtenKey();
    expect(write.files['/dev/stdin'].text).toContain(key.join());
    const onDisk = { ...write.files };
    delete onDisk['/dev/stdin'];
    expect(Object.keys(onDisk).length).toBeGreaterThan(3);
    const seen = JSON.stringify([stdout, stderr, write.args, write.env, onDisk, check]);
    for (const form of forms(key)) expect(seen).not.toContain(form);
    expect(temporary()).toEqual([]);
    const kept = path.join(dir, 'devices', `${toHex(deviceId(key))}.json`);
    expect(statSync(kept).mode & 0o777).toBe(0o600);
    expect(readFileSync(kept, 'utf8')).toContain(toHex(key));
  });

  test.each<[string, string, (call: Call) => Reply]>([
    ['the tool fails', 'code 3', () => ({ code: 3, output: 'secret' })],
    ['the self-test says nothing', 'did not answer', () => ({ output: 'Done\n' })],
    [
      'another key is on it',
      'its key is not the one',
      (call) => {
        const reply = espruino(call);
        const other = new Uint8Array(16).fill(7).join();
        return call.args.includes('-e') ? { output: `mozaik plain ${other}\n` } : reply;
      },
    ],
  ])('leaves nothing behind when %s', async (_what, why, answer) => {
    await fakeTools(answer);
    const { code, stdout, stderr } = await flash(...puck);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^mozaik: BOARD_FAILED: /m);
    expect(stderr).toContain(why);
    expect(stderr).not.toContain('secret');
    await expectNothingLeft();
  });

  test('is not touched when the backend does not answer or knows the name', async () => {
    await fakeTools(espruino);
    const nowhere = ['--dir', dir, '--backend', 'http://127.0.0.1:9', '--audience', 'x'];
    const { stderr } = await mozaik(...flashing(...puck), ...nowhere);
    expect(stderr).toMatch(/^mozaik: UNAVAILABLE: /m);
    expect((await flash(...puck)).code).toBe(0);
    const again = await flash(...puck);
    expect(again.stderr).toMatch(/^mozaik: CONFLICT: /m);
    expect(calls).toHaveLength(2);
  });

  test('has its nonce ledger when it passes, and fails without', async () => {
    await fakeTools(espruino);
    expect((await flash(...puck)).code).toBe(0);
    const on = () => board.run('require("mozaik")') as { provision: (key: Uint8Array) => void };
    expect(() => on().provision(writtenKey())).toThrow(/^#\d+$/);
    const start = () => board.run(`${board.storage.read('.boot2')!}mozaikDevice`) as Started;
    expect(start().sealer.beat(new Uint8Array(187), 1.7e12)).toBe(0);

    const again = (name: string) => mozaik('flash', '--name', name, ...puck, ...where());
    board.flash.getFree = () => [];
    const none = await again('second');
    expect(none.stderr).toMatch(/^mozaik: BOARD_FAILED: .*lists no two free pages of flash/m);
    expect(await loadDevices(dir)).toHaveLength(1);
    // The power fails between the key and its ledger: it is not used with another key's.
    Reflect.deleteProperty(board.flash, 'getFree');
    board.flash.isCut = () => true;
    const cut = await again('third');
    expect(cut.stderr).toMatch(/^mozaik: BOARD_FAILED: .*has none for this master key/m);
    expect(start).toThrow(/^#\d+$/);
    board.flash.isCut = () => false;
    expect((await again('fourth')).code).toBe(0);
    expect(start().sealer.beat(new Uint8Array(187), 1.7e12)).toBe(0);
  }, 90_000);

  const wifi = [
    '--board',
    'espruino:ESP32',
    '--ledger',
    '0x0',
    '--port',
    'tcp://board',
    '--broker',
  ];

  test('with a network knows its password, and no machine code', async () => {
    await fakeTools(espruino);
    expect((await flash(...wifi, 'mqtts://broker.example')).code).toBe(0);
    const settings = JSON.parse(board.storage.read('mozaik.k')!) as Record<string, unknown>;
    expect(settings).toMatchObject({ host: 'broker.example', port: 8883, tls: {}, ledger: 0 });
    expect(settings.password).toMatch(/^eyJ/);
    expect([...board.storage.files.keys()]).not.toContain('mozaik.p');
    expect(await api.devices()).toHaveLength(1);
  });

  test('with a network is no longer registered when it fails', async () => {
    let registered = 0;
    await fakeTools(async () => {
      registered = (await api.devices()).length;
      return { code: 1 };
    });
    expect((await flash(...wifi, 'mqtt://broker.example')).code).toBe(1);
    expect(registered).toBe(1);
    await expectNothingLeft();
  });

  test('Ctrl-C ends the tool, also one that does not listen, and leaves nothing', async () => {
    await fakeTools(() => ({ hang: true }));
    const args = [MOZAIK, ...flashing(...puck), ...where()];
    const child = spawn(process.execPath, args, {
      env: process.env,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let stderr = '';
    child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
    while (calls.length === 0) await sleep(20);
    expect(temporary()).toHaveLength(1);
    // A moment for the tool to say that it will not listen.
    await sleep(100);
    child.kill('SIGINT');
    const [code] = (await once(child, 'close')) as [number];
    expect(code).toBe(1);
    expect(stderr).toMatch(/^mozaik: BOARD_FAILED: .*interrupted/m);
    expect(isRunning(calls[0].pid)).toBe(false);
    await expectNothingLeft();
  });
});

/** Espruino's own tool is no dependency: it brings optional parts that need a compiler. */
const realTool = spawnSync('espruino', ['--help']).error === undefined;
const withTool = realTool ? test : test.skip;
const reason = realTool ? '' : ' (skipped: no espruino on the PATH)';

withTool(
  `Espruino's own tool at the console of a board of memory${reason}`,
  async () => {
    const console = await startConsole();
    try {
      const port = `tcp://127.0.0.1:${console.port}`;
      const { code, stderr } = await flash('--board', 'espruino:PUCKJS', '--port', port);
      expect({ code, stderr }).toMatchObject({ code: 0 });
      board = console.board;
      const [device] = await loadDevices(dir);
      expect(writtenKey()).toEqual(device.masterKey.expose());
      expect(console.loads()).toBe(1);
      expect([...board.storage.files.keys()].sort()).toEqual(
        ['.boot2', 'mozaik', 'mozaik-ble', 'mozaik.k', 'mozaik.p'].sort(),
      );
      expect(temporary()).toEqual([]);
    } finally {
      await console.close();
    }
  },
  60_000,
);

describe('a Moddable board', () => {
  const PTY = `
import os, pty, select, sys, tty
master, slave = pty.openpty()
tty.setraw(slave)
print(os.ttyname(slave), flush=True)
while True:
    ready = select.select([0, master], [], [])[0]
    if 0 in ready:
        data = os.read(0, 4096)
        if not data: sys.exit()
        os.write(master, data)
    if master in ready:
        os.write(1, os.read(master, 4096).replace(b'\\r', b'\\n'))
`;
  const hasPython = spawnSync('python3', ['-c', 'import pty']).status === 0;
  const withConsole = hasPython ? test : test.skip;
  const skipped = hasPython ? '' : ' (skipped: no python3 for a terminal)';

  async function console() {
    const terminal = spawn('python3', ['-c', PTY]);
    const lines = createInterface({ input: terminal.stdout });
    const [port] = (await once(lines, 'line')) as [string];
    const heard: string[] = [];
    lines.on('line', (line) => heard.push(line));
    const say = (text: string) => terminal.stdin.write(text);
    return { port, say, heard, end: () => terminal.kill() };
  }
  const esp32 = (port: string) => [
    ...['--board', 'moddable:esp32/nodemcu', '--port', port, '--broker', 'mqtts://broker.example'],
  ];
  const keyIn = (call: Call) =>
    Uint8Array.from(
      (
        JSON.parse(/default (.*);/.exec(call.here['settings.js'].text)![1]) as {
          masterKey: number[];
        }
      ).masterKey,
    );

  withConsole(`is built in a private folder that is removed${skipped}`, async () => {
    process.env.MODDABLE = '/moddable';
    const { port, say, heard, end } = await console();
    try {
      let speaking: NodeJS.Timeout | undefined;
      await fakeTools((call) => {
        const id = deviceId(keyIn(call)).join();
        // It has no ledger for its new key until it is told to make one.
        speaking = setInterval(() => {
          const is = heard.includes(`provision ${id}`) ? 'plain' : 'new';
          say(`boot\r\nmozaik ${is} ${id}\r\n`);
        }, 50);
        return {};
      });
      const { code, stdout, stderr } = await flash(...esp32(port));
      clearInterval(speaking);
      expect({ code, stderr }).toMatchObject({ code: 0 });
      const [call] = calls;
      const key = keyIn(call);
      expect(call.args.slice(0, 4)).toEqual(['mcconfig', '-m', '-p', 'esp32/nodemcu']);
      expect(call.args[5].startsWith(call.cwd)).toBe(true);
      expect(call.env.UPLOAD_PORT).toBe(port);
      expect(heard).toContain(`provision ${deviceId(key).join()}`);
      expect(call.hereMode).toBe(0o700);
      expect(call.here['settings.js'].mode).toBe(0o600);
      const others = { ...call.here };
      delete others['settings.js'];
      expect(Object.keys(others).sort()).toEqual(
        ['app.js', 'main.js', 'manifest.json', 'mozaik.js', 'package.json'].sort(),
      );
      const seen = JSON.stringify([stdout, stderr, call.args, call.env, others]);
      for (const form of forms(key)) expect(seen).not.toContain(form);
      expect(temporary()).toEqual([]);
      expect((await loadDevices(dir))[0].id).toEqual(deviceId(key));
      expect(await api.devices()).toHaveLength(1);
    } finally {
      end();
    }
  });

  withConsole(`leaves nothing behind when the tool fails${skipped}`, async () => {
    process.env.MODDABLE = '/moddable';
    const { port, end } = await console();
    try {
      await fakeTools(() => ({ code: 1 }));
      const { stderr } = await flash(...esp32(port));
      expect(stderr).toMatch(/^mozaik: BOARD_FAILED: .*mcpack/m);
      await expectNothingLeft();
    } finally {
      end();
    }
  });
});

describe('what is missing is named', () => {
  test.each<[string, string[], string, RegExp]>([
    ['no tool', puck, '', /TOOL_MISSING: .*npm install --global espruino@0\.1\.67/],
    [
      'no Moddable SDK',
      ['--board', 'moddable:esp32', '--port', '/dev/null', '--broker', 'mqtts://b'],
      '',
      /TOOL_MISSING: .*mcpack: install the Moddable SDK/,
    ],
    [
      'no MODDABLE',
      ['--board', 'moddable:esp32', '--port', '/dev/null', '--broker', 'mqtts://b'],
      'tools',
      /TOOL_MISSING: .*MODDABLE must name/,
    ],
    [
      'no port',
      ['--board', 'espruino:PUCKJS', '--port', '/dev/none'],
      'tools',
      /PORT_MISSING: .*\/dev\/none is not there.*Plug the board in/,
    ],
    ['nobody there', puck, 'Unable to connect!', /PORT_MISSING: .*tcp:\/\/board cannot be opened/],
    [
      'no library for serial ports',
      puck,
      "No 'serialport' module found\nUnable to connect!",
      /TOOL_MISSING: .*npm install --global serialport/,
    ],
  ])('%s', async (_what, options, output, expected) => {
    if (output) await fakeTools(() => ({ output }));
    else process.env.PATH = bin;
    const { code, stderr } = await flash(...options);
    expect(code).toBe(1);
    expect(stderr).toMatch(expected);
    await expectNothingLeft();
  });

  test.each([
    [['--board', 'espruino:TOASTER', '--port', 'x'], 'no board is called espruino:TOASTER'],
    [['--board', 'moddable:../../x', '--port', 'x'], 'no board is called'],
    [['--board', 'espruino:ESP32', '--port', 'x'], 'needs --broker'],
    [
      ['--board', 'espruino:ESP32', '--port', 'x', '--broker', 'mqtt://b'],
      'give --ledger two pages',
    ],
    [[...puck, '--ledger', 'D1'], 'expected an address'],
    [[...puck, '--broker', 'mqtt://b'], 'has no network'],
    [[...puck, '--ecg', 'D1:x'], 'expected a pin'],
    [[...puck, '--keep', '2000'], '--keep is at most 1024'],
    [
      ['--board', 'espruino:ESP32', '--port', 'x', '--broker', 'mqtt://b', '--keep', '9'],
      'is free',
    ],
    [[...puck, '--leads-off', 'D1'], '--leads-off goes with --ecg'],
  ])('wrong usage: %j', async (options, expected) => {
    const { code, stderr } = await flash(...options);
    expect(code).toBe(2);
    expect(stderr).toContain(expected);
  });
});

test('--dry-run shows each step and touches nothing', async () => {
  await fakeTools(espruino);
  const { code, stdout } = await mozaik(...flashing(...puck), '--dry-run');
  expect(code).toBe(0);
  const steps = [
    /the tools and the port are there/,
    /mozaik: \d+ bytes/,
    /key of a device/,
    /espruino -q --no-ble --config \S+ -p tcp:\/\/board --storage mozaik:FOLDER.*mozaik\.k:\/dev\/stdin/,
    /nonce ledger of this key/,
    /self-test/,
    /registered/,
    /nothing was written, kept or registered/,
  ];
  const at = steps.map((step) => stdout.search(step));
  expect(at).toEqual([...at].sort((x, y) => x - y));
  expect(at[0]).toBe(0);
  expect(calls).toEqual([]);
  await expectNothingLeft();
  process.env.PATH = bin + '/none';
  const without = await mozaik(...flashing(...puck), '--dry-run', '--json');
  const { steps: lines } = JSON.parse(without.stdout) as { steps: string[] };
  expect(lines[0]).toMatch(/^TOOL_MISSING: /);
  expect(SELF_TEST).not.toContain('"mozaik"]');
});
