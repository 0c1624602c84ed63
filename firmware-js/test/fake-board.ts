/** An Espruino board of nothing but memory: what the modules ask of it, and hands to turn it with. */
import { runInContext } from 'node:vm';
import type { Context } from 'node:vm';
import { crc32 } from 'node:zlib';
import { permute } from '../src/ascon.ts';
import { bareContext } from './bare-context.ts';
import { FakeFlash } from './fake-flash.ts';

type Listener = (argument?: unknown) => void;

/** Storage of nothing but memory; `fake-jsf.ts` has what flash makes of it. */
export class FakeStorage {
  readonly files = new Map<string, Uint8Array>();

  /** What the console's upload does: text, in parts, of which the first names the size. */
  writeText(name: string, text: string, offset = 0, size = text.length): boolean {
    if (offset === 0) this.files.set(name, new Uint8Array(size).fill(0xff));
    this.files.get(name)!.set(Buffer.from(text, 'latin1'), offset);
    return true;
  }

  read(name: string): string | undefined {
    const file = this.files.get(name);
    return file && Buffer.from(file).toString('latin1');
  }
}

export interface FakeBoardOptions {
  /** Machine code runs; left out, it does what it would on another chip: it computes wrongly. */
  thumb?: boolean;
  /** Whether the board has `E.toFlatString`. */
  flat?: boolean;
  /** Two pages when left out. */
  flash?: FakeFlash | undefined;
}

export class FakeBoard {
  readonly storage = new FakeStorage();
  /** What the board lists as free. */
  readonly flash: FakeFlash;
  readonly intervals = new Map<number, { callback: () => void; ms: number }>();
  readonly pins = new Map<string, number>();
  /** What was sent over Bluetooth. */
  readonly packets: Uint8Array[] = [];
  services: Record<string, Record<string, { onWrite?: (event: { data: ArrayBuffer }) => void }>> =
    {};
  waveform: Listener | undefined;
  socket: { options: object; written: string[]; listeners: Map<string, Listener> } | undefined;
  onSocket: Listener | undefined;
  readonly modules = new Map<string, unknown>();
  nativeCalls = 0;
  /** What scripts have printed. */
  readonly printed: string[] = [];
  private readonly radio = new Map<string, Listener>();
  private readonly context: Context;
  private nextTimer = 1;

  constructor(options: FakeBoardOptions = {}) {
    this.flash = options.flash ?? new FakeFlash(2);
    const memory: ArrayBuffer[] = [];
    const E: Record<string, unknown> = {
      hwRand: () => 0x1a5,
      CRC32: (bytes: Uint8Array) => crc32(bytes),
      toString: (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1'),
      toArrayBuffer: (handle: { buffer: ArrayBuffer }) => handle.buffer,
      getAddressOf: (array: Int32Array) => memory.indexOf(array.buffer as ArrayBuffer) + 1,
      nativeCall: () => (address: number, first: number) => {
        this.nativeCalls++;
        const words = new Int32Array(memory[address - 1]);
        permute(words, first);
        if (!options.thumb) words[3] ^= 1;
      },
    };
    if (options.flat !== false) {
      E.toFlatString = (bytes: Uint8Array) => {
        memory.push(bytes.buffer as ArrayBuffer);
        return { buffer: bytes.buffer };
      };
    }
    this.modules.set('Storage', this.storage);
    this.modules.set('Flash', this.flash);
    this.modules.set('net', { connect: this.connect.bind(this) });
    this.modules.set('tls', { connect: this.connect.bind(this) });
    const { intervals, pins, radio } = this;
    this.context = bareContext({
      E,
      require: (name: string) => this.require(name),
      print: (...values: unknown[]) => this.printed.push(values.join(' ')),
      atob: (text: string) => Buffer.from(text, 'base64').toString('latin1'),
      setInterval: (callback: () => void, ms: number) => {
        intervals.set(this.nextTimer, { callback, ms });
        return this.nextTimer++;
      },
      clearInterval: (timer: number) => intervals.delete(timer),
      analogRead: (pin: string) => pins.get(pin) ?? 0,
      digitalRead: (pin: string) => pins.get(pin) ?? 0,
      NRF: {
        setServices: (services: typeof this.services) => {
          this.services = services;
        },
        updateServices: (update: Record<string, Record<string, { value: Uint8Array }>>) => {
          const [service] = Object.values(update);
          this.packets.push(Uint8Array.from(Object.values(service)[0].value));
        },
        on: (event: string, listener: Listener) => radio.set(event, listener),
      },
      Waveform: this.waveformClass(),
    });
  }

  /** Loads a built module under its name. */
  load(name: string, code: string): void {
    this.modules.set(
      name,
      runInContext(`(function(){var exports={};${code}\nreturn exports})()`, this.context),
    );
  }

  /** Runs a script at the console, with these globals besides. */
  run(script: string, globals: object = {}): unknown {
    Object.assign(this.context, globals);
    return runInContext(script, this.context);
  }

  /** A module that was loaded, or that is a file in Storage. */
  private require(name: string): unknown {
    const file = this.modules.has(name) ? undefined : this.storage.read(name);
    if (file !== undefined) this.load(name, file);
    if (!this.modules.has(name)) throw new Error(`Module ${name} not found`);
    return this.modules.get(name);
  }

  /** Runs all intervals that are due within so many ms. */
  pass(ms: number): void {
    for (let at = 1; at <= ms; at++) {
      for (const { callback, ms: every } of [...this.intervals.values()]) {
        if (at % every === 0) callback();
      }
    }
  }

  /** The gateway writes an answer. */
  write(packet: Uint8Array): void {
    const data = packet.slice().buffer;
    for (const { onWrite } of Object.values(Object.values(this.services)[0])) onWrite?.({ data });
  }

  bluetooth(event: 'connect' | 'disconnect'): void {
    this.radio.get(event)?.();
  }

  private connect(options: object, connected: Listener) {
    const listeners = new Map<string, Listener>();
    this.socket = { options, written: [], listeners };
    this.onSocket = connected;
    const { written } = this.socket;
    return {
      write: (text: string) => written.push(text) > 0,
      end: () => undefined,
      on: (event: string, listener: Listener) => listeners.set(event, listener),
    };
  }

  private waveformClass() {
    const listen = (listener: Listener) => {
      this.waveform = listener;
    };
    return class {
      on(_event: string, listener: Listener) {
        listen(listener);
      }
      startInput() {}
      stop() {}
    };
  }
}
