/** Many simulated boards at once, and the account of what became of each heartbeat. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Api, Device } from '@mozaik/client';
import type { LedgerStorage } from '@mozaik/firmware';
import { openSocket, type BrokerAddress } from '@mozaik/firmware/node';
import { MozaikError, toHex } from '@mozaik/protocol';
import { seededRandom } from '../ecg/random.ts';
import { Board } from './board.ts';
import { BoardClock } from './clock.ts';
import type { Faults } from './faults.ts';
import type { LinkCounts } from './link.ts';
import { storedEnvelopes, verifyBoard, type Findings, type Violations } from './verify.ts';

/** One board of the fleet and the user that it belongs to. */
export interface Member {
  api: Api;
  device: Device;
  /** The board's flash, when it is to outlive this process. */
  storage?: LedgerStorage;
}

export interface FleetOptions {
  broker: BrokerAddress;
  members: Member[];
  /** Heartbeats that the boards replay in turn, each from another one on. */
  windows: Uint8Array[];
  beatsPerBoard: number;
  /** Heartbeats per second and board. */
  rate: number;
  faults: Faults;
  /** Seed of the fault schedule; its timing still depends on the machine. */
  seed: number;
  /** Clocks are wrong by up to so much in either direction, ms. */
  skewMs?: number;
  /** Clocks drift by up to so much in either direction, millionths. */
  driftPpm?: number;
  /** See `BoardOptions`. */
  capacity?: number;
  snapshotBeats?: number;
  /** Longest wait for the last acknowledgements, ms; a quarter of an hour of the boards' time. */
  patienceMs?: number;
  onProgress?: (progress: { beats: number; acknowledged: number }) => void;
}

export interface FleetReport {
  boards: number;
  /** From the first heartbeat to the last acknowledgement. */
  seconds: number;
  /** Heartbeats measured, those of the end included; `missed` while boards were off, `refused` for want of room. */
  beats: number;
  missed: number;
  refused: number;
  /** What became of the others. */
  acknowledged: number;
  rejected: number;
  lost: number;
  pending: number;
  reconnects: number;
  reboots: number;
  powerCuts: number;
  tornWrites: number;
  link: Omit<LinkCounts, 'connections'>;
  findings: Findings;
  violations: Violations;
  /** Whether there is no violation. */
  holds: boolean;
}

/** The stream that simulated boards publish to. */
export const STREAM = 0;
const TICK_MS = 20;
/** Boards are switched on one after another, this long apart: a crowd of people is not in step. */
const SWITCH_ON_MS = 5;
const PROGRESS_MS = 1000;
/** Longest wait for the end, ms of the boards' time: the publisher's pauses grow to a minute each. */
const PATIENCE_MS = 900_000;
/** Heartbeats while waiting for the end, ms of the boards' time. */
const LAST_BEATS_MS = 5000;
/** A heart at rest, beats per second: faster rates replay life faster. */
const HEART_RATE = 70 / 60;
/** A board whose time-outs ran faster still would give up a broker that is merely busy. */
const MAX_SPEED = 10;

/**
 * Runs the boards until all heartbeats are settled, then verifies them through the user's API.
 * @throws MozaikError when the backend refuses something or cannot be reached
 */
export async function runFleet(options: FleetOptions): Promise<FleetReport> {
  const { members, onProgress } = options;
  const earlier: Set<string>[] = [];
  const passwords: string[] = [];
  for (const { api, device } of members) {
    passwords.push(await api.registerDevice(device.id, device.name));
    const names = new Set<string>();
    for await (const envelope of storedEnvelopes(api, device.id, STREAM)) {
      names.add(toHex(envelope));
    }
    earlier.push(names);
  }
  const boards = members.map((_, n) => createBoard(options, n, passwords[n]));
  const reporter = setInterval(() => onProgress?.(progressOf(boards)), PROGRESS_MS);
  const started = performance.now();
  try {
    const on: Board[] = [];
    await whileTicking(on, async () => {
      await Promise.all(
        boards.map(async (board, n) => {
          await sleep(n * SWITCH_ON_MS);
          on.push(board);
          await replay(board, n, options);
        }),
      );
    });
  } finally {
    clearInterval(reporter);
    for (const board of boards) board.close();
  }
  const seconds = (performance.now() - started) / 1000;
  onProgress?.(progressOf(boards));
  const verdicts = [];
  for (const [n, { api, device }] of members.entries()) {
    verdicts.push(await verifyBoard(api, device, STREAM, boards[n].journal, earlier[n]));
  }
  return { ...account(boards, seconds), ...judge(verdicts) };
}

/** Lets time pass for the boards until `work` is done. @throws MozaikError STATE_CORRUPT when one cannot start */
async function whileTicking(boards: Board[], work: () => Promise<void>): Promise<void> {
  let ticker: NodeJS.Timeout | undefined;
  const failed = new Promise<never>((_, reject) => {
    ticker = setInterval(() => {
      try {
        for (const board of boards) board.tick();
      } catch (error) {
        reject(new MozaikError('STATE_CORRUPT', 'a simulated board', { cause: error }));
      }
    }, TICK_MS);
  });
  try {
    await Promise.race([work(), failed]);
  } finally {
    clearInterval(ticker);
  }
}

function createBoard(options: FleetOptions, n: number, password: string): Board {
  const { broker, members, beatsPerBoard, rate, faults, seed } = options;
  const { skewMs = 0, driftPpm = 0, capacity, snapshotBeats } = options;
  const { api, device, storage } = members[n];
  const random = seededRandom((seed + n) % 2 ** 32);
  const speed = speedOf(options);
  // The boards' time runs faster than ours: it begins early and ends about now.
  const startMs = Date.now() - (1000 * beatsPerBoard * speed) / rate;
  return new Board({
    device,
    user: api.session.identity.id,
    stream: STREAM,
    password,
    open: () => openSocket(broker),
    clock: new BoardClock({
      startMs: Math.round(startMs + random.between(-skewMs, skewMs)),
      driftPpm: random.between(-driftPpm, driftPpm),
      speed,
    }),
    random,
    faults,
    ...(storage === undefined ? {} : { storage }),
    ...(capacity === undefined ? {} : { capacity }),
    ...(snapshotBeats === undefined ? {} : { snapshotBeats }),
  });
}

async function replay(board: Board, n: number, options: FleetOptions): Promise<void> {
  const { members, windows, beatsPerBoard, rate } = options;
  const first = Math.floor((n * windows.length) / members.length);
  const beat = () => board.beat(windows[(first + board.journal.beats) % windows.length]);
  board.tick();
  const started = performance.now();
  while (board.journal.beats < beatsPerBoard) {
    beat();
    await sleep(Math.max(0, started + (board.journal.beats * 1000) / rate - performance.now()));
  }
  board.calm();
  await settle(board, beat, options);
}

/**
 * Waits until all is settled. A publisher gives a sample up only when the broker takes another one in
 * its place, so the heart beats on as long as some are left, only slower.
 */
async function settle(board: Board, beat: () => void, options: FleetOptions): Promise<void> {
  const speed = speedOf(options);
  const { patienceMs = PATIENCE_MS / speed } = options;
  const started = performance.now();
  let beaten = started;
  while (board.pending() > 0 && performance.now() - started < patienceMs) {
    await sleep(TICK_MS);
    if (performance.now() - beaten < LAST_BEATS_MS / speed) continue;
    beaten = performance.now();
    if (board.pending() > 0) beat();
  }
}

/** How much faster than life the boards live. */
const speedOf = ({ rate }: FleetOptions): number =>
  Math.min(MAX_SPEED, Math.max(1, rate / HEART_RATE));

function progressOf(boards: Board[]) {
  return {
    beats: total(boards, ({ journal }) => journal.beats),
    acknowledged: total(boards, ({ journal }) => journal.count('acknowledged')),
  };
}

function account(boards: Board[], seconds: number) {
  const link = sum(boards.map(({ link }) => link.counts));
  const { connections, ...counts } = link;
  return {
    boards: boards.length,
    seconds,
    beats: total(boards, ({ journal }) => journal.beats),
    missed: total(boards, ({ journal }) => journal.missed),
    refused: total(boards, ({ journal }) => journal.refused),
    acknowledged: total(boards, ({ journal }) => journal.count('acknowledged')),
    rejected: total(boards, ({ journal }) => journal.count('rejected')),
    lost: total(boards, ({ journal }) => journal.count('lost')),
    pending: total(boards, ({ journal }) => journal.count('pending')),
    reconnects: connections - boards.length,
    reboots: total(boards, ({ reboots }) => reboots),
    powerCuts: total(boards, ({ powerCuts }) => powerCuts),
    tornWrites: total(boards, ({ flash }) => flash.tornWrites),
    link: counts,
  };
}

function judge(verdicts: { findings: Findings; violations: Violations }[]) {
  const violations = sum(verdicts.map(({ violations }) => violations));
  return {
    findings: sum(verdicts.map(({ findings }) => findings)),
    violations,
    holds: Object.values(violations).every((count) => count === 0),
  };
}

const total = (boards: Board[], of: (board: Board) => number): number =>
  boards.reduce((count, board) => count + of(board), 0);

/** Adds up records of numbers, field by field; there is at least one. */
function sum<T extends Record<keyof T, number>>(records: T[]): T {
  return records.reduce((all, one) => {
    const added = { ...all };
    for (const name of Object.keys(one) as (keyof T)[]) {
      added[name] = (all[name] + one[name]) as T[keyof T];
    }
    return added;
  });
}
