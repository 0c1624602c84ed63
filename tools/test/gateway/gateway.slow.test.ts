/**
 * Boards that run the real Espruino modules, a gateway in a process of its own, a real backend: whatever
 * breaks, each sample is in the store once, and no board is told so before it is.
 */
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { startBackend, type Backend } from '@mozaik/backend';
import { Api, readSamples } from '@mozaik/client';
import { createIdentity, toHex } from '@mozaik/protocol';
import { admit } from '../../src/commands/gateway.ts';
import { seededRandom } from '../../src/ecg/random.ts';
import { Running, temporaryFolder } from '../cli/support.ts';
import { clearRadio, TestBoard } from './board.ts';

const TIMEOUT_MS = 120_000;
const AUDIENCE = 'gateway-test';
const RECORD_BYTES = 253;

const dataDir = path.join(temporaryFolder(), 'backend');
let backend: Backend;
let ports: { httpPort: number; mqttPort: number };
let api: Api;

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 90_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`timed out: ${what}`);
    await sleep(20);
  }
}

async function startStore(): Promise<void> {
  backend = await startBackend({ dataDir, audience: AUDIENCE, logLevel: 'silent', ...ports });
  ports ??= {
    httpPort: Number(new URL(backend.httpUrl).port),
    mqttPort: Number(new URL(backend.mqttUrl).port),
  };
}

beforeAll(async () => {
  await startStore();
  api = new Api({
    ...{ url: backend.httpUrl, audience: AUDIENCE, role: 'user' },
    identity: createIdentity(),
  });
}, TIMEOUT_MS);
afterAll(() => backend.close());

const boards: TestBoard[] = [];
afterEach(() => boards.splice(0).forEach((board) => board.close()));

async function newBoard(dir: string): Promise<TestBoard> {
  const board = new TestBoard(api, `puck ${boards.length}`);
  boards.push(board);
  await admit(api, board.user, board.device.id, board.device.name, dir);
  return board;
}

async function startGateway(dir: string, port = 0): Promise<{ gateway: Running; port: number }> {
  const gateway = new Running(
    ...['gateway', '--dir', dir, '--broker', backend.mqttUrl, '--listen', String(port), '--json'],
  );
  return { gateway, port: Number((await gateway.ready()).port) };
}

/** What the store has of a board, opened with its key: sequence number and plaintext, ascending. */
async function stored(board: TestBoard): Promise<[number, Uint8Array][]> {
  const found: [number, Uint8Array][] = [];
  for await (const sample of readSamples(api, board.device, 0)) {
    if ('code' in sample) throw new Error(`not authentic: ${sample.sequence}`);
    found.push([sample.sequence, sample.plaintext]);
  }
  return found;
}

async function beats(board: TestBoard, count: number): Promise<void> {
  for (let n = 0; n < count; n++) await until('room', () => board.beat());
}

describe('the gateway', () => {
  test(
    'forwards over outages, kill -9 and power cuts',
    async () => {
      const dir = temporaryFolder();
      const board = await newBoard(dir);
      const first = await startGateway(dir);
      const { port } = first;
      board.connect(port);
      await beats(board, 10);
      await until('the first ones', () => board.acknowledged.length === 10);
      expect(await stored(board)).toEqual([...board.sealed]);

      await backend.close();
      await beats(board, 10);
      const waiting = () => statSync(path.join(dir, 'waiting')).size / RECORD_BYTES;
      await until('all wait at the gateway', () => waiting() === 10);
      expect(board.acknowledged).toHaveLength(10);
      // It is killed, and the board loses its power: only the gateway's disk has them now.
      first.gateway.process.kill('SIGKILL');
      await first.gateway.ended;
      board.powerUp();
      expect(board.pending()).toBe(0);
      const second = await startGateway(dir, port);
      expect(second.gateway.events[0]).toMatchObject({ event: 'ready', waiting: 10 });
      await startStore();
      await until('they arrive without the board', async () => (await stored(board)).length === 20);
      expect(board.acknowledged).toHaveLength(10);

      board.connect(port);
      await beats(board, 5);
      await until('the last ones', () => board.pending() === 0);
      expect(await stored(board)).toEqual([...board.sealed]);
      await until('nothing waits', () => waiting() === 0);
      const password = JSON.parse(
        readFileSync(path.join(dir, 'boards', `${toHex(board.device.id)}.json`), 'utf8'),
      ) as { password: string };
      expect(await second.gateway.interrupt()).toBe(0);
      const said = JSON.stringify([second.gateway.events, second.gateway.stderr]);
      expect(said).not.toContain(password.password);
    },
    TIMEOUT_MS,
  );

  test(
    'survives bad links: lost, changed, replayed and foreign packets, slow boards that come and go',
    async () => {
      const dir = temporaryFolder();
      const { gateway, port } = await startGateway(dir);
      const random = seededRandom(11);
      const pair = [await newBoard(dir), await newBoard(dir)];
      for (const board of pair) {
        const heard: Uint8Array[] = [];
        board.radio = (packet) => {
          heard.push(packet);
          switch (random.below(200)) {
            case 0:
              return [];
            case 1: {
              const changed = packet.slice();
              changed[random.below(changed.length)] ^= 1 << random.below(8);
              return [changed];
            }
            case 2:
              return [packet, packet];
            case 3:
              return [...heard.slice(-40), packet];
            case 4:
              // A frame that never ends.
              return Array.from({ length: 20 }, (_, n) => Uint8Array.of(n, ...packet.subarray(1)));
            case 5:
              board.noise(Uint8Array.from({ length: 70 }, () => random.below(256)));
              return [packet];
            case 6:
              board.disconnect();
              return [];
            default:
              return [packet];
          }
        };
      }
      const reconnect = setInterval(() => {
        for (const board of pair) if (!board.isConnected()) board.connect(port);
      }, 100);
      try {
        await Promise.all(pair.map((board) => beats(board, 30)));
        for (const board of pair) {
          await until('every answer', () => board.pending() === 0);
          board.radio = clearRadio;
        }
      } finally {
        clearInterval(reconnect);
      }
      for (const board of pair) {
        expect(await stored(board)).toEqual([...board.sealed]);
        expect(board.acknowledged).toEqual([...board.sealed.keys()]);
        expect(board.rejected).toEqual([]);
      }
      expect(await gateway.interrupt()).toBe(0);
    },
    TIMEOUT_MS,
  );
});
