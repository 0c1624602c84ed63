/** Keeps the processes of a local stack running: one that ends is started again. */
import { setTimeout as sleep } from 'node:timers/promises';
import { MozaikError } from '@mozaik/protocol';
import { startStack, type Stack, type StackEvent, type StackOptions } from '../stack/stack.ts';

const RESTART_DELAY_MS = 1_000;

export class Supervisor {
  readonly stack: Stack;
  readonly #say: (text: string) => void;
  readonly #restarts = new Set<Promise<void>>();
  readonly #stopping = new AbortController();

  private constructor(stack: Stack, say: (text: string) => void) {
    this.stack = stack;
    this.#say = say;
  }

  /**
   * Starts a stack.
   * @param say told, for people, of what ends and starts
   * @throws MozaikError UNAVAILABLE when a process does not come up this first time
   */
  static async start(
    options: Omit<StackOptions, 'onEvent'>,
    say: (text: string) => void,
  ): Promise<Supervisor> {
    const early: StackEvent[] = [];
    let onEvent = (event: StackEvent): void => {
      early.push(event);
    };
    const stack = await startStack({ ...options, onEvent: (event) => onEvent(event) });
    const supervisor = new Supervisor(stack, say);
    onEvent = (event) => supervisor.#onEvent(event);
    for (const event of early) if (event.kind === 'ended') onEvent(event);
    return supervisor;
  }

  /** Stops all processes; one that is just being started again is not waited for. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#restarts);
    await this.stack.stop();
  }

  /** Ends all processes without giving them time for anything. */
  kill(): void {
    for (const { process } of [this.stack.backend, ...this.stack.parties]) process.kill('SIGKILL');
  }

  #onEvent(event: StackEvent): void {
    if (this.#stopping.signal.aborted) return;
    if (event.kind === 'party' && event.event.event === 'job-failed') {
      this.#say(`party ${event.index + 1}: a job failed with ${event.event.code}`);
    } else if (event.kind === 'ended') {
      this.#say(`${event.reason}; it is started again`);
      const restart = this.#restart(event.name);
      this.#restarts.add(restart);
      void restart.then(() => this.#restarts.delete(restart));
    }
  }

  async #restart(name: string): Promise<void> {
    const which = name === 'backend' ? name : Number(name.slice('party '.length)) - 1;
    while (!this.#stopping.signal.aborted) {
      try {
        await sleep(RESTART_DELAY_MS, undefined, { signal: this.#stopping.signal });
        await this.stack.restart(which, this.#stopping.signal);
        this.#say(`${name} is back`);
        return;
      } catch (error) {
        if (this.#stopping.signal.aborted) return;
        if (error instanceof MozaikError) this.#say(error.detail ?? error.message);
      }
    }
  }
}
