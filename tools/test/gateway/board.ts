/** A board of memory that runs the real Espruino modules, and the radio between it and a gateway. */
import { connect, type Socket } from 'node:net';
import { createDevice, type Api, type Device } from '@mozaik/client';
import { BEAT_SAMPLES } from '@mozaik/protocol';
import { buildEspruino } from '../../../firmware-js/src/bundle/espruino.ts';
import { FakeBoard } from '../../../firmware-js/test/fake-board.ts';
import { encodePacket, PacketDecoder } from '../../src/gateway/framing.ts';

const names = ['mozaik', 'mozaik-ble'] as const;
const modules = await Promise.all(
  names.map(async (name) => [name, (await buildEspruino(name)).code] as const),
);

interface Connected {
  sealer: { beat: (window: Uint8Array, timeMs: number) => number };
  transport: { pending: () => number };
}

interface Mozaik {
  connect: (options: object) => Connected;
  provision: (masterKey: Uint8Array) => void;
}

/** The board's time passes so much faster than ours. */
const SPEED = 10;
const STEP_MS = 30;

/** A heartbeat that is recognised by its number. */
export const windowOf = (n: number): Uint8Array =>
  Uint8Array.from({ length: BEAT_SAMPLES }, (_, i) => (i * 7 + n) & 0xff);

/** What the radio does to a packet: the packets that arrive in its place. */
export type Radio = (packet: Uint8Array) => Uint8Array[];
export const clearRadio: Radio = (packet) => [packet];

export class TestBoard {
  readonly device: Device;
  readonly user: Uint8Array;
  /** Sequence numbers that the board was told are stored, or refused, in that order. */
  readonly acknowledged: number[] = [];
  readonly rejected: number[] = [];
  /** What was sealed, by sequence number; also what was lost with the power. */
  readonly sealed = new Map<number, Uint8Array>();
  radio: Radio = clearRadio;
  #board = new FakeBoard();
  #running!: Connected;
  #socket: Socket | undefined;
  readonly #timer: NodeJS.Timeout;

  constructor(api: Api, name = 'puck') {
    this.device = createDevice(name);
    this.user = api.session.identity.id;
    this.#load(this.#board).provision(this.device.masterKey.expose());
    this.powerUp();
    this.#timer = setInterval(() => this.#step(), STEP_MS / SPEED);
  }

  /** The power fails and comes back: the flash is all that stays. */
  powerUp(): void {
    this.disconnect();
    this.#board = new FakeBoard({ flash: this.#board.flash });
    this.#running = this.#load(this.#board).connect({
      masterKey: this.device.masterKey.expose(),
      userId: this.user,
      onAcknowledged: (sequence: number) => this.acknowledged.push(sequence),
      onRejected: (sequence: number) => this.rejected.push(sequence),
    });
  }

  #load(board: FakeBoard): Mozaik {
    for (const [name, code] of modules) board.load(name, code);
    return board.modules.get('mozaik') as Mozaik;
  }

  /** Seals a heartbeat. @returns false when the board's queue is full */
  beat(): boolean {
    const window = windowOf(this.sealed.size);
    const sequence = this.#running.sealer.beat(window, Date.now());
    if (sequence < 0) return false;
    this.sealed.set(sequence, window);
    return true;
  }

  pending(): number {
    return this.#running.transport.pending();
  }

  /** Comes into reach of the gateway at this port. */
  connect(port: number): void {
    const socket = connect({ host: '127.0.0.1', port });
    const decoder = new PacketDecoder();
    socket.on('connect', () => this.#board.bluetooth('connect'));
    socket.on('data', (bytes) => {
      for (const packet of decoder.push(bytes)) this.#board.write(packet);
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      if (this.#socket === socket) this.disconnect();
    });
    this.#socket = socket;
  }

  disconnect(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.destroy();
    if (socket !== undefined) this.#board.bluetooth('disconnect');
  }

  isConnected(): boolean {
    return this.#socket !== undefined;
  }

  /** Sends bytes to the gateway that are no packets. */
  noise(bytes: Uint8Array): void {
    this.#socket?.write(bytes);
  }

  close(): void {
    clearInterval(this.#timer);
    this.disconnect();
  }

  #step(): void {
    this.#board.pass(STEP_MS);
    for (const packet of this.#board.packets.splice(0)) {
      for (const arriving of this.radio(packet)) this.#socket?.write(encodePacket(arriving));
    }
  }
}
