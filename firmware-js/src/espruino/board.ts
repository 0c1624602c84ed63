/** What the device code uses of an Espruino board, so that nothing else creeps in. */

export interface Storage {
  read(name: string): string | undefined;
}

/** Flash, in the form in which Espruino's `Flash.getFree()` lists it. */
export interface FlashArea {
  addr: number;
  length: number;
}

/** Flash by its addresses. Addresses and lengths of writes are multiples of 4. */
export interface FlashModule {
  /** What neither firmware nor Storage uses; some boards list nothing at all. */
  getFree(): FlashArea[] | undefined;
  getPage(address: number): FlashArea | undefined;
  erasePage(address: number): void;
  /** Bits can only be cleared. */
  write(bytes: Uint8Array, address: number): void;
  read(length: number, address: number): Uint8Array;
}

/** A pin, opaque to us. */
export type Pin = unknown;

export interface NetSocket {
  write(text: string): boolean;
  end(): void;
  on(event: string, listener: (text: string) => void): void;
}

export interface NetModule {
  connect(options: object, connected: () => void): NetSocket;
}

interface WaveformOptions {
  doubleBuffer: boolean;
  bits: number;
}

export interface WaveformInput {
  on(event: string, listener: (buffer: ArrayLike<number>) => void): void;
  startInput(pin: Pin, rate: number, options: { repeat: boolean }): void;
  stop(): void;
}

export type NativeFunction = (address: number, first: number) => void;

declare global {
  /** The board's own `require`, by a name that bundling leaves alone. */
  function boardRequire(module: string): unknown;
  /** Espruino's utilities. */
  const E: {
    hwRand?: () => number;
    /** CRC-32 of IEEE 802.3, u32. */
    CRC32(bytes: Uint8Array): number;
    toString(bytes: Uint8Array): string;
    toFlatString?: (bytes: Uint8Array) => string;
    toArrayBuffer(text: string): ArrayBuffer;
    getAddressOf(memory: unknown, flat: boolean): number;
    nativeCall(address: number, signature: string, code: string): NativeFunction;
  };
  /** Bluetooth. */
  const NRF: {
    setServices(services: object, options: object): void;
    updateServices(services: object): void;
    on(event: string, listener: () => void): void;
  };
  const Waveform: new (samples: number, options: WaveformOptions) => WaveformInput;
  function analogRead(pin: Pin): number;
  function digitalRead(pin: Pin): number;
}
