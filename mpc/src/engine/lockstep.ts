/**
 * Independent protocol steps side by side: their messages of a round travel together, so that they cost
 * the rounds of the longest. All parties run the same flows and so combine the same messages.
 */
import type { Channel, Direction, Meter, PartyIndex } from './channel.ts';

/** A protocol run over a channel of its own. */
export type Flow<T> = (channel: Channel) => Promise<T>;

interface Request {
  direction: Direction;
  message: Uint8Array;
  length: number;
  resolve: (received: Uint8Array) => void;
  reject: (reason: unknown) => void;
}

/**
 * Runs all flows to their end; nothing else may use `channel` meanwhile. When one fails, all fail: the
 * others' next round is refused with the same error.
 */
export async function lockstep<A, B>(
  channel: Channel,
  first: Flow<A>,
  second: Flow<B>,
): Promise<[A, B]> {
  const joint = new Joint(channel, 2);
  return Promise.all([joint.run(0, first), joint.run(1, second)]);
}

class Joint {
  readonly #channel: Channel;
  /** Open requests by flow. */
  readonly #requests: (Request | undefined)[];
  #active: number;
  #failure: { reason: unknown } | undefined;

  constructor(channel: Channel, flows: number) {
    this.#channel = channel;
    this.#requests = Array.from({ length: flows }, () => undefined);
    this.#active = flows;
  }

  async run<T>(flow: number, body: Flow<T>): Promise<T> {
    try {
      return await body(new FlowChannel(this.#channel, (request) => this.#request(flow, request)));
    } catch (reason) {
      this.#fail(reason);
      throw reason;
    } finally {
      this.#active--;
      this.#exchangeWhenComplete();
    }
  }

  #request(flow: number, request: Request): void {
    if (this.#failure) {
      request.reject(this.#failure.reason);
      return;
    }
    if (this.#requests[flow]) throw new Error('a flow has one message under way at a time');
    this.#requests[flow] = request;
    this.#exchangeWhenComplete();
  }

  #exchangeWhenComplete(): void {
    const open = this.#requests.filter((request) => request !== undefined);
    if (open.length === 0 || open.length < this.#active) return;
    this.#requests.fill(undefined);
    const directions = (['next', 'previous'] as const).filter((direction) =>
      open.some((request) => request.direction === direction),
    );
    // Both directions of one exchange are one round.
    this.#channel.meter.rounds -= directions.length - 1;
    Promise.all(directions.map((direction) => this.#rotate(direction, open))).catch(
      (reason: unknown) => {
        for (const request of open) request.reject(reason);
        this.#fail(reason);
      },
    );
  }

  async #rotate(direction: Direction, open: Request[]): Promise<void> {
    const requests = open.filter((request) => request.direction === direction);
    const sent = requests.reduce((sum, { message }) => sum + message.length, 0);
    const due = requests.reduce((sum, { length }) => sum + length, 0);
    const message = requests.length === 1 ? requests[0].message : new Uint8Array(sent);
    if (requests.length > 1) {
      let at = 0;
      for (const { message: part } of requests) {
        message.set(part, at);
        at += part.length;
      }
    }
    const received = await this.#channel.rotate(direction, message, due);
    let at = 0;
    for (const { length, resolve } of requests) {
      resolve(received.subarray(at, at + length));
      at += length;
    }
  }

  #fail(reason: unknown): void {
    this.#failure ??= { reason };
    for (const request of this.#requests) request?.reject(reason);
    this.#requests.fill(undefined);
  }
}

class FlowChannel implements Channel {
  readonly index: PartyIndex;
  readonly meter: Meter;
  readonly #submit: (request: Request) => void;

  constructor({ index, meter }: Channel, submit: (request: Request) => void) {
    this.index = index;
    this.meter = meter;
    this.#submit = submit;
  }

  rotate(direction: Direction, message: Uint8Array, length: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#submit({ direction, message, length, resolve, reject });
    });
  }
}
