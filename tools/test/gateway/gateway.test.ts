/** The gateway in this process, against a broker that does what the test wants. */
import { existsSync } from 'node:fs';
import { spawn, spawnSync } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { createInterface } from 'node:readline';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { afterEach, describe, expect, test } from '@jest/globals';
import {
  fragment,
  fragmentCount,
  FRAME_HELLO,
  FRAME_REFUSED,
  FRAME_SAMPLE,
  FRAME_STORED,
} from '@mozaik/firmware';
import { BLE_IN, BLE_OUT } from '@mozaik/firmware/ble';
import { startBroker } from '../../../firmware-js/test/broker.ts';
import { listenBluetooth } from '../../src/gateway/bluetooth.ts';
import { saveCredential } from '../../src/gateway/credentials.ts';
import { Gateway, type GatewayEvent } from '../../src/gateway/gateway.ts';
import type { PacketLink } from '../../src/gateway/link.ts';
import { encodePacket, PacketDecoder } from '../../src/gateway/framing.ts';
import { listenSerial } from '../../src/gateway/serial.ts';
import { mozaik, temporaryFolder } from '../cli/support.ts';

const DEVICE = new Uint8Array(16).fill(2);
const USER = new Uint8Array(32).fill(1);

/** An envelope of the right form; nobody opens it here. */
function envelope(sequence: number, filler = 9): Uint8Array {
  const bytes = Buffer.alloc(233, filler);
  bytes.set([1, 1, 1, 0]);
  bytes.writeUInt16BE(0, 14);
  bytes.writeUInt32BE(sequence, 16);
  return Uint8Array.from(bytes);
}

function packets(kind: number, body: Uint8Array): Uint8Array[] {
  const bytes = Buffer.concat([Uint8Array.of(kind), body, Buffer.alloc(4)]);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, -4)), bytes.length - 4);
  return Array.from({ length: fragmentCount(bytes.length) }, (_, n) => fragment(bytes, n));
}

class TestLink implements PacketLink {
  readonly name = 'test';
  readonly answers: Uint8Array[] = [];
  closed = false;
  onPacket: (packet: Uint8Array) => void = () => undefined;
  onClose: () => void = () => undefined;

  send(packet: Uint8Array): void {
    this.answers.push(packet);
  }
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.onClose();
  }
  hello(device = DEVICE): void {
    packets(FRAME_HELLO, device).forEach((packet) => this.onPacket(packet));
  }
  sample(bytes: Uint8Array): void {
    packets(FRAME_SAMPLE, bytes).forEach((packet) => this.onPacket(packet));
  }
}

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function until(holds: () => boolean, what = 'a condition'): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`timed out: ${what}`);
    await sleep(5);
  }
}

/** A broker that asks `admit` about each sample, and a gateway for which time flies. */
async function scene(admit: (sequence: number) => Promise<void> | void = () => undefined) {
  const broker = await startBroker({
    authenticate: (_client, _user, password, done) => {
      done(null, password?.toString() === 'sesame');
    },
    authorizePublish: (_client, { payload }, done) => {
      const sequence = Buffer.from(payload).readUInt32BE(16);
      Promise.resolve()
        .then(() => admit(sequence))
        .then(
          () => done(null),
          (error: Error) => done(error),
        );
    },
  });
  cleanups.push(() => broker.close());
  const dir = temporaryFolder();
  await saveCredential(dir, { user: USER, device: DEVICE, name: 'puck', password: 'sesame' });
  const events: GatewayEvent[] = [];
  const gateway = await Gateway.open({
    dir,
    broker: { host: '127.0.0.1', port: broker.port },
    onEvent: (event) => events.push(event),
    now: () => 20 * performance.now(),
  });
  cleanups.push(() => gateway.close());
  const link = new TestLink();
  gateway.accept(link);
  return { broker, dir, gateway, link, events };
}

describe('an answer to the board', () => {
  test('comes when the broker has acknowledged, and not before', async () => {
    let acknowledge: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (acknowledge = resolve));
    let asked = false;
    const { link, gateway } = await scene(() => {
      asked = true;
      return held;
    });
    link.hello();
    link.sample(envelope(7));
    await until(() => asked);
    expect(gateway.waiting()).toBe(1);
    // Sent again, it is the same one.
    link.sample(envelope(7));
    for (let n = 0; n < 20; n++) await sleep(5);
    expect(link.answers).toEqual([]);
    acknowledge();
    await until(() => link.answers.length > 0);
    expect(link.answers).toEqual([Uint8Array.of(FRAME_STORED, ...new Uint8Array(16).fill(9))]);
    expect(gateway.waiting()).toBe(0);
  });

  test('says that the store refuses a sample, and those behind it arrive', async () => {
    const { link, broker } = await scene((sequence) => {
      if (sequence === 1) throw new Error('another sample has this number');
    });
    link.hello();
    for (const n of [0, 1, 2]) link.sample(envelope(n, 10 + n));
    await until(() => link.answers.length === 3);
    const kinds = new Map(link.answers.map((answer) => [answer[1] - 10, answer[0]]));
    expect(Object.fromEntries(kinds)).toEqual({
      ...{ 0: FRAME_STORED, 1: FRAME_REFUSED, 2: FRAME_STORED },
    });
    const topics = new Set(broker.received.map(({ topic }) => topic));
    expect([...topics]).toEqual([`mozaik/v1/u/${'01'.repeat(32)}/d/${'02'.repeat(16)}/s/0`]);
  });
});

describe('the gateway turns away', () => {
  test('a board that was not admitted', async () => {
    const { link, events } = await scene();
    link.hello(new Uint8Array(16).fill(5));
    await until(() => link.closed);
    expect(events).toEqual([expect.objectContaining({ event: 'trouble', about: '05'.repeat(16) })]);
  });

  test('samples before a hello, and what is no envelope', async () => {
    const { link, events, broker, gateway } = await scene();
    link.sample(envelope(0));
    link.hello();
    link.sample(envelope(1).subarray(1));
    link.sample(envelope(2).fill(0, 0, 1));
    link.sample(envelope(3));
    await until(() => link.answers.length === 1);
    expect(broker.received.map(({ payload }) => payload)).toEqual([envelope(3)]);
    expect(gateway.waiting()).toBe(0);
    const codes = events.filter(({ event }) => event === 'trouble');
    expect(codes).toHaveLength(2);
  });

  test('another sample with the number of one that waits', async () => {
    const { link, broker, events } = await scene(() => sleep(200));
    link.hello();
    link.sample(envelope(4, 1));
    link.sample(envelope(4, 2));
    await until(() => link.answers.length === 1);
    expect(broker.received.map(({ payload }) => payload)).toEqual([envelope(4, 1)]);
    expect(events).toContainEqual(expect.objectContaining({ event: 'trouble' }));
  });

  test('more samples than it keeps for a board', async () => {
    const { link, gateway, events, broker } = await scene();
    await broker.close();
    cleanups.splice(0, 1);
    link.hello();
    for (let n = 0; n < 1030; n++) link.sample(envelope(n));
    await until(() => JSON.stringify(events).includes('it has to wait too'), 'a full queue');
    expect(gateway.waiting()).toBe(1024);
    expect(link.answers).toEqual([]);
  });

  test('an earlier connection of a board that comes again', async () => {
    const { link, gateway } = await scene();
    link.hello();
    link.sample(envelope(0));
    await until(() => link.answers.length === 1);
    const second = new TestLink();
    gateway.accept(second);
    second.hello();
    await until(() => link.closed);
    second.sample(envelope(1));
    await until(() => second.answers.length === 1);
  });

  test('a second gateway of the same folder', async () => {
    const { dir } = await scene();
    const { code, stderr } = await mozaik(
      ...['gateway', '--dir', dir, '--broker', 'mqtt://127.0.0.1', '--listen', '0'],
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(/^mozaik: CONFLICT: .*"mozaik gateway"/);
  });
});

test('a password that was renewed is taken at the next connection', async () => {
  const { dir, link, events, gateway } = await scene();
  await saveCredential(dir, { user: USER, device: DEVICE, name: 'puck', password: 'old' });
  link.hello();
  link.sample(envelope(0));
  await until(() => JSON.stringify(events).includes('refused the connection'));
  await saveCredential(dir, { user: USER, device: DEVICE, name: 'puck', password: 'sesame' });
  link.close();
  const second = new TestLink();
  gateway.accept(second);
  second.hello();
  await until(() => second.answers.length === 1);
});

describe('a serial port', () => {
  /** Prints the name of a terminal, whose other end is this process's input and output. */
  const PTY = `
import os, pty, select, sys, tty
master, slave = pty.openpty()
tty.setraw(slave)
print(os.ttyname(slave), flush=True)
while True:
    for end in select.select([0, master], [], [])[0]:
        data = os.read(end, 4096)
        if not data: sys.exit()
        os.write(master if end == 0 else 1, data)
`;
  const hasPython = spawnSync('python3', ['-c', 'import pty']).status === 0;
  const withTerminal = hasPython ? test : test.skip;
  const name = hasPython ? 'serves a board' : 'serves a board (skipped: no python3 for a terminal)';

  withTerminal(name, async () => {
    const { gateway, events } = await scene();
    const terminal = spawn('python3', ['-c', PTY]);
    cleanups.push(() => terminal.kill());
    const lines = createInterface({ input: terminal.stdout });
    const [port] = (await once(lines, 'line')) as [string];
    lines.close();
    const decoder = new PacketDecoder();
    const answers: Uint8Array[] = [];
    terminal.stdout.on('data', (bytes: Uint8Array) => answers.push(...decoder.push(bytes)));
    terminal.stdout.resume();
    const source = await listenSerial(port, 115_200, gateway.accept.bind(gateway));
    cleanups.push(() => source.close());
    const bytes = [...packets(FRAME_HELLO, DEVICE), ...packets(FRAME_SAMPLE, envelope(3))];
    terminal.stdin.write(Buffer.concat([Buffer.from('boot\r\n\0'), ...bytes.map(encodePacket)]));
    await until(() => answers.length === 1, JSON.stringify(events));
    expect(answers[0][0]).toBe(FRAME_STORED);
  });

  test.each([
    ['/dev/none', 'ENOENT'],
    ['/dev/null', 'is no serial port'],
  ])('%s is refused', async (port, why) => {
    const { code, stderr } = await mozaik(
      ...['gateway', '--dir', temporaryFolder(), '--broker', 'mqtt://127.0.0.1', '--serial', port],
    );
    expect(code).toBe(1);
    expect(stderr).toContain(`PORT_MISSING: `);
    expect(stderr).toContain(why);
  });
});

describe('Bluetooth', () => {
  /** A radio of memory with one board near it. */
  class FakeRadio extends EventEmitter {
    scans = 0;
    readonly written: Uint8Array[] = [];
    readonly notify = new EventEmitter();
    connections = 0;
    readonly peripheral = Object.assign(new EventEmitter(), {
      id: 'aa:bb',
      connectAsync: () => {
        this.connections++;
        return Promise.resolve();
      },
      disconnectAsync: () => {
        this.peripheral.emit('disconnect');
        return Promise.resolve();
      },
      discoverSomeServicesAndCharacteristicsAsync: () => {
        const uuid = (id: string) => id.replaceAll('-', '');
        const subscribeAsync = () => Promise.resolve();
        const writeAsync = (data: Buffer) => {
          this.written.push(Uint8Array.from(data));
          return Promise.resolve();
        };
        const common = { subscribeAsync, writeAsync, on: this.notify.on.bind(this.notify) };
        const characteristics = [BLE_OUT, BLE_IN].map((id) => ({ uuid: uuid(id), ...common }));
        return Promise.resolve({ characteristics });
      },
    });

    waitForPoweredOnAsync(): Promise<void> {
      return Promise.resolve();
    }
    startScanningAsync(): Promise<void> {
      this.scans++;
      return Promise.resolve();
    }
    stopScanningAsync(): Promise<void> {
      return Promise.resolve();
    }
    send(bytes: Uint8Array[]): void {
      for (const packet of bytes) this.notify.emit('data', Buffer.from(packet));
    }
  }

  test('serves a board that is found, and again when it comes back', async () => {
    const { gateway } = await scene();
    const radio = new FakeRadio();
    const accept = gateway.accept.bind(gateway);
    const troubles: string[] = [];
    const source = await listenBluetooth(radio, accept, (detail) => {
      troubles.push(detail);
    });
    cleanups.push(() => source.close());
    for (const n of [1, 2]) {
      radio.emit('discover', radio.peripheral);
      await until(() => radio.scans === n + 1);
      radio.send(packets(FRAME_HELLO, DEVICE));
      radio.send(packets(FRAME_SAMPLE, envelope(n)));
      await until(() => radio.written.length === n);
      radio.notify.removeAllListeners();
      radio.peripheral.emit('disconnect');
    }
    expect(radio.connections).toBe(2);
    expect(troubles).toEqual([]);
  });

  const library = path.resolve(import.meta.dirname, '../../../node_modules/@stoprocent/noble');
  (existsSync(library) ? test.skip : test)('says what to install', async () => {
    const { code, stderr } = await mozaik(
      ...['gateway', '--dir', temporaryFolder(), '--broker', 'mqtt://127.0.0.1', '--bluetooth'],
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(/^mozaik: TOOL_MISSING: .*npm install --no-save @stoprocent\/noble@2/);
  });
});
