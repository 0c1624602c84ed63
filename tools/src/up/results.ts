/** Results as people and programs read them: with the name of the device and the time of each beat. */
import { isAlert, openSample, type Api, type Device, type JobResult } from '@mozaik/client';
import { equalBytes, SAMPLES_PAGE_MAX, toHex } from '@mozaik/protocol';

/** One heartbeat of a result. */
export interface BeatRow {
  job: string;
  device: string;
  /** Name of the device; its id when its key is not held here. */
  name: string;
  stream: number;
  sequence: number;
  /** R peak, ISO 8601; null when the sample is gone or cannot be opened. */
  time: string | null;
  authentic: boolean;
  class: string | null;
  margin: number | null;
  anomaly: boolean;
  /** An anomaly whose margin is large enough. */
  alert: boolean;
}

/** The time of each of some samples, ascending by sequence number, as their authentic headers say. */
async function timesOf(
  api: Api,
  device: Device,
  stream: number,
  sequences: number[],
): Promise<Map<number, number>> {
  const times = new Map<number, number>();
  const wanted = new Set(sequences);
  const last = sequences[sequences.length - 1];
  for (let next = sequences[0]; next <= last;) {
    const limit = Math.min(SAMPLES_PAGE_MAX, last - next + 1);
    const { samples } = await api.samples({ device: device.id, stream, from: next, limit });
    next += limit;
    for (const { envelope } of samples) {
      const sample = openSample(api.session.identity.id, device, stream, envelope);
      if (sample.sequence === undefined) continue;
      next = Math.max(next, sample.sequence + 1);
      if ('time' in sample && wanted.has(sample.sequence)) times.set(sample.sequence, sample.time);
    }
  }
  return times;
}

/**
 * The rows of a result.
 * @param devices those whose keys the user holds
 * @throws MozaikError as {@link Api}
 */
export async function beatRows(
  api: Api,
  devices: Device[],
  { job, device: id, stream, beats }: JobResult,
  alertMargin: number,
): Promise<BeatRow[]> {
  const device = devices.find((held) => equalBytes(held.id, id));
  const sequences = beats.map(({ sequence }) => sequence);
  const times = device ? await timesOf(api, device, stream, sequences) : new Map<number, number>();
  return beats.map((beat) => {
    const time = times.get(beat.sequence);
    return {
      job: toHex(job),
      device: toHex(id),
      name: device?.name ?? toHex(id),
      stream,
      sequence: beat.sequence,
      time: time === undefined ? null : new Date(time).toISOString(),
      authentic: beat.authentic,
      class: beat.authentic ? beat.className : null,
      margin: beat.authentic ? beat.margin : null,
      anomaly: beat.authentic && beat.anomaly,
      alert: isAlert(beat, alertMargin),
    };
  });
}

export const ROW_HEADING =
  'time (UTC)                device      beat  class                          margin';

/** One line for people. */
export function formatRow(row: BeatRow): string {
  const { name, sequence, time, authentic, margin, anomaly, alert } = row;
  const mark = alert ? 'ALERT' : anomaly ? '!' : '';
  const cells = [
    (time ?? '-').padEnd(24),
    name.padEnd(9),
    String(sequence).padStart(6),
    (authentic ? row.class! : 'not authentic').padEnd(26),
    (margin === null ? '' : margin.toFixed(3)).padStart(9),
    mark,
  ];
  return cells.join('  ').trimEnd();
}
