/** Counters in Prometheus' text format: how often, never who or what. */
const HELP = {
  samples_stored: 'Samples stored durably.',
  samples_repeated: 'Samples that were already stored, byte for byte.',
  samples_refused: 'Samples that were refused.',
  connections_refused: 'MQTT connections that were refused or cut off.',
  jobs_started: 'Jobs created.',
  jobs_done: 'Jobs with a result.',
  jobs_failed: 'Jobs that failed, retried ones included.',
  jobs_cancelled: 'Jobs that a revocation or an expiry ended.',
} as const;

export type Counter = keyof typeof HELP;

export class Metrics {
  readonly #counts = new Map<Counter, number>();

  count(counter: Counter): void {
    this.#counts.set(counter, (this.#counts.get(counter) ?? 0) + 1);
  }

  toString(): string {
    return Object.entries(HELP)
      .map(([name, help]) => {
        const full = `mozaik_${name}_total`;
        const value = this.#counts.get(name as Counter) ?? 0;
        return `# HELP ${full} ${help}\n# TYPE ${full} counter\n${full} ${value}\n`;
      })
      .join('');
  }
}
