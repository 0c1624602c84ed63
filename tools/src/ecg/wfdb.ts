/**
 * Reader for WFDB records: `.hea` headers, format 212 signals and MIT-format annotations (Moody,
 * WFDB Applications Guide: header(5), signal(5), annot(5)).
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MozaikError } from '@mozaik/protocol';
import type { AnnotatedRecord, Annotation, EcgRecord } from './record.ts';
import { symbolOf } from './symbols.ts';

/** Most leads and samples per lead of a record: bounds the memory that a damaged header can claim. */
const LIMITS = { leads: 16, samples: 1 << 26 };
/** ADC units per millivolt when the header gives none, header(5). */
const DEFAULT_GAIN = 200;
/** Samples per second when the header gives none, header(5). */
const DEFAULT_RATE_HZ = 250;
/** Bytes that hold two samples in format 212. */
const PAIR_BYTES = 3;

/** Pseudo-annotation codes of the MIT format, annot(5). */
const SKIP = 59;
const NUM = 60;
const SUB = 61;
const CHN = 62;
const AUX = 63;

interface SignalHeader {
  file: string;
  gain: number;
  baseline: number;
  units: string;
  initial: number | undefined;
  checksum: number | undefined;
  description: string;
}

export interface Header {
  name: string;
  rateHz: number;
  /** Samples per lead; undefined when the header leaves it to the length of the file. */
  length: number | undefined;
  signals: SignalHeader[];
  comments: string[];
}

const bad = (detail: string): MozaikError => new MozaikError('INPUT_FILE', detail);

async function read(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new MozaikError('INPUT_FILE', `${path} cannot be read`, { cause: error });
  }
}

const RECORD_LINE = /^([\w-]+)\s+(\d+)(?:\s+([\d.]+)(?:\/\S+)?(?:\s+(\d+)(?:\s.*)?)?)?$/;
const SIGNAL_LINE =
  /^([\w.-]+)\s+(\S+)(?:\s+([-+\d.eE]+)(?:\((-?\d+)\))?(?:\/(\S+))?(?:\s+(\d+)(?:\s+(-?\d+)(?:\s+(-?\d+)(?:\s+(-?\d+)(?:\s+(\d+)(?:\s+(.*))?)?)?)?)?)?)?$/;

const numberOr = <T>(text: string | undefined, otherwise: T): number | T =>
  text === undefined ? otherwise : Number(text);

/**
 * Parses the text of a `.hea` file.
 * @param file name to give in errors
 * @throws MozaikError INPUT_FILE naming the line, for anything but single-segment format 212
 */
export function parseHeader(text: string, file: string): Header {
  const comments: string[] = [];
  const lines: { number: number; text: string }[] = [];
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.trim();
    if (line.startsWith('#')) comments.push(line.slice(1).trim());
    else if (line !== '') lines.push({ number: index + 1, text: line });
  }
  if (lines.length === 0) throw bad(`${file} is empty`);
  const top = RECORD_LINE.exec(lines[0].text);
  if (!top) throw bad(`${file} line ${lines[0].number} is not a single-segment record line`);
  const count = Number(top[2]);
  const rateHz = numberOr(top[3], DEFAULT_RATE_HZ);
  // A length of zero means "not given" in header(5).
  const length = numberOr(top[4], 0) || undefined;
  if (count < 1 || count > LIMITS.leads) throw bad(`${file} names ${count} signals, not 1 to 16`);
  if (!Number.isInteger(rateHz) || rateHz < 1) {
    throw bad(`${file} has the sampling rate ${rateHz}; it has to be a whole number`);
  }
  if (length !== undefined && length > LIMITS.samples)
    throw bad(`${file} claims ${length} samples`);
  if (lines.length !== count + 1) {
    throw bad(`${file} announces ${count} signals and describes ${lines.length - 1}`);
  }
  const signals = lines
    .slice(1)
    .map((line) => parseSignalLine(line.text, `${file} line ${line.number}`));
  if (signals.some((signal) => signal.file !== signals[0].file)) {
    throw bad(`${file} spreads its signals over several files, which is not supported`);
  }
  return { name: top[1], rateHz, length, signals, comments };
}

function parseSignalLine(line: string, place: string): SignalHeader {
  const fields = SIGNAL_LINE.exec(line);
  if (!fields) throw bad(`${place} is not a signal line`);
  const [, file, format, gain, baseline, units, , zero, initial, checksum, , description] = fields;
  if (format !== '212') throw bad(`${place} has signal format ${format}; only 212 can be read`);
  const unitsPerMillivolt = numberOr(gain, 0) || DEFAULT_GAIN;
  if (!Number.isFinite(unitsPerMillivolt)) throw bad(`${place} has the gain ${gain}`);
  return {
    file,
    gain: unitsPerMillivolt,
    baseline: numberOr(baseline, numberOr(zero, 0)),
    units: units ?? 'mV',
    initial: numberOr(initial, undefined),
    checksum: numberOr(checksum, undefined),
    description: description ?? '',
  };
}

/**
 * Unpacks format 212: two 12-bit two's complement samples in three bytes, signals interleaved.
 * @param length samples per signal, or undefined to take all that the bytes hold
 * @returns one array per signal
 * @throws MozaikError INPUT_FILE when the bytes are not exactly as many as that takes
 */
export function decode212(
  bytes: Uint8Array,
  signals: number,
  length: number | undefined,
  file: string,
): Int16Array[] {
  const total = (length ?? Math.floor((bytes.length * 2) / PAIR_BYTES / signals)) * signals;
  const needed = Math.ceil((total * PAIR_BYTES) / 2);
  if (bytes.length !== needed) {
    throw bad(`${file} ends at byte ${bytes.length}; ${total} samples end at byte ${needed}`);
  }
  const out = Array.from({ length: signals }, () => new Int16Array(total / signals));
  for (let k = 0; k < total; k++) {
    const at = (k >> 1) * PAIR_BYTES;
    const middle = bytes[at + 1];
    const value =
      k & 1 ? ((middle & 0xf0) << 4) | bytes[at + 2] : ((middle & 0x0f) << 8) | bytes[at];
    out[k % signals][Math.floor(k / signals)] = (value << 20) >> 20;
  }
  return out;
}

/** The 16-bit signed sum that header(5) calls the checksum of a signal. */
export function checksum(samples: Int16Array): number {
  let sum = 0;
  for (const sample of samples) sum = (sum + sample) | 0;
  return (sum << 16) >> 16;
}

/**
 * Reads `name.hea` and the signal file that it names, and verifies first values and checksums.
 * @throws MozaikError INPUT_FILE with file and place for anything missing, malformed or altered
 */
export async function readRecord(dir: string, name: string): Promise<EcgRecord> {
  const headerFile = `${name}.hea`;
  const header = parseHeader((await read(join(dir, headerFile))).toString('latin1'), headerFile);
  const file = header.signals[0].file;
  const bytes = await read(join(dir, file));
  const samples = decode212(bytes, header.signals.length, header.length, file);
  const leads = header.signals.map((signal, lead) => {
    const { gain, baseline, units, description } = signal;
    const values = samples[lead];
    if (signal.initial !== undefined && values[0] !== signal.initial) {
      throw bad(
        `${file} at byte 0: signal ${lead} begins with ${values[0]}, not ${signal.initial}`,
      );
    }
    const sum = checksum(values);
    // Writers differ in whether they print the 16 bits signed or unsigned.
    if (signal.checksum !== undefined && sum !== (signal.checksum << 16) >> 16) {
      throw bad(`${file}: signal ${lead} has the checksum ${sum}, not ${signal.checksum}`);
    }
    return { description, samples: values, gain, baseline, units };
  });
  return { name: header.name, rateHz: header.rateHz, leads, comments: header.comments };
}

/**
 * Decodes MIT-format annotations: little-endian words of a 6-bit code over a 10-bit interval.
 * @param file name to give in errors
 * @throws MozaikError INPUT_FILE naming the byte offset
 */
export function decodeAnnotations(bytes: Uint8Array, file: string): Annotation[] {
  const annotations: Annotation[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let sample = 0;
  for (let at = 0; at + 2 <= bytes.length;) {
    const word = view.getUint16(at, true);
    const code = word >> 10;
    const interval = word & 0x3ff;
    const offset = at;
    at += 2;
    if (word === 0) {
      if (at !== bytes.length) throw bad(`${file} goes on at byte ${at} after its end mark`);
      return annotations;
    }
    if (code === SKIP) {
      if (at + 4 > bytes.length) throw bad(`${file} breaks off in the interval at byte ${offset}`);
      // PDP-11 order: the high half first, each half little-endian.
      sample += (view.getUint16(at, true) << 16) | view.getUint16(at + 2, true);
      at += 4;
    } else if (code === AUX) {
      at += interval + (interval & 1);
      if (at > bytes.length) throw bad(`${file} breaks off in the text at byte ${offset}`);
    } else if (code === NUM || code === SUB || code === CHN) {
      continue;
    } else if (code > 49) {
      throw bad(`${file} has the unknown annotation code ${code} at byte ${offset}`);
    } else {
      sample += interval;
      if (sample < 0) throw bad(`${file} goes back before the record's start at byte ${offset}`);
      // Code 0 with an interval only moves the time.
      if (code !== 0) annotations.push({ sample, code, symbol: symbolOf(code) });
    }
  }
  throw bad(`${file} breaks off at byte ${bytes.length} without an end mark`);
}

/** Reads `name.atr`. @throws MozaikError INPUT_FILE naming file and byte offset */
export async function readAnnotations(dir: string, name: string): Promise<Annotation[]> {
  const file = `${name}.atr`;
  return decodeAnnotations(await read(join(dir, file)), file);
}

/** Reads a record with its annotations. @throws MozaikError INPUT_FILE, also for annotations outside it */
export async function readAnnotatedRecord(dir: string, name: string): Promise<AnnotatedRecord> {
  const [record, annotations] = await Promise.all([
    readRecord(dir, name),
    readAnnotations(dir, name),
  ]);
  const { length } = record.leads[0].samples;
  const outside = annotations.find(({ sample }) => sample >= length);
  if (outside) throw bad(`${name}.atr annotates sample ${outside.sample} of ${length}`);
  return { record, annotations };
}
