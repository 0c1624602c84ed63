/** What the device code uses of Moddable's platform: ECMA-419 input and output, and its timer. */

/** ECMA-419 analog input. */
export interface Analog {
  read(): number;
  /** Bits of a reading. */
  resolution: number;
  close(): void;
}

/** ECMA-419 digital input. */
export interface Digital {
  read(): number;
  close(): void;
}

/** An input by its class and options, as ECMA-419 sensors are given it. */
export interface IoOptions<T> {
  io: new (options: object) => T;
  [option: string]: unknown;
}

/** A control message of the MQTT client. */
export interface MqttControl {
  operation: number;
  id?: number;
}

interface MqttWriteOptions {
  operation?: number;
  topic?: string;
  QoS?: number;
  id?: number;
  duplicate?: boolean;
}

export interface PlatformMqtt {
  write(payload: ArrayBuffer | null, options: MqttWriteOptions): void;
  close(): void;
}

export interface PlatformMqttClass {
  new (options: object): PlatformMqtt;
  CONNACK: number;
  PUBACK: number;
  DISCONNECT: number;
}

export interface NetworkService {
  io: PlatformMqttClass;
  [option: string]: unknown;
}

export interface KeyValueDomain {
  read(key: string): ArrayBuffer | undefined;
  write(key: string, value: ArrayBuffer): void;
  delete(key: string): void;
}

export interface KeyValueStorage {
  open(options: { path: string; format: 'buffer' }): KeyValueDomain;
}

export interface PlatformTimer {
  repeat(callback: () => void, ms: number): unknown;
  clear(timer: unknown): void;
}
