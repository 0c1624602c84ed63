/**
 * Samples that wait for the broker, on the disk: what was added is there after `kill -9` or a loss of
 * power. It holds ciphertexts only.
 *
 * One file, which is only appended to. A record is
 *
 * | offset | bytes | meaning                                            |
 * | ------ | ----- | -------------------------------------------------- |
 * | 0      | 4     | CRC-32 (IEEE 802.3) of the rest, u32 big-endian    |
 * | 4      | 16    | device id                                          |
 * | 20     | 233   | envelope                                           |
 *
 * A record that a crash has cut short fails its checksum and is left out. That a sample is done is not
 * written: the file is emptied when none waits, and rewritten when most of it is done. A sample that is
 * sent again after a restart is known to the store by its sequence number.
 */
import { open, truncate, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { crc32 } from 'node:zlib';
import { privateFolder, readPrivate, replacePrivate } from '@mozaik/client';
import { BEAT_ENVELOPE_BYTES, DEVICE_ID_BYTES } from '@mozaik/protocol';

const CRC_BYTES = 4;
const RECORD_BYTES = CRC_BYTES + DEVICE_ID_BYTES + BEAT_ENVELOPE_BYTES;
/** The file is rewritten when it has more records than this, and fewer than half of them wait. */
const TIDY_FROM = 256;
const FILE = 'waiting';

/** A sample that waits; the object itself is its handle. */
export interface Waiting {
  /** 16 bytes. */
  device: Uint8Array;
  envelope: Uint8Array;
}

interface Pending {
  sample: Waiting;
  resolve: () => void;
  reject: (error: unknown) => void;
}

export class SampleQueue {
  readonly #path: string;
  #file: FileHandle;
  /** Records in the file. */
  #records: number;
  readonly #live: Set<Waiting>;
  #pending: Pending[] = [];
  #work: Promise<void> | undefined;

  private constructor(path: string, file: FileHandle, live: Waiting[]) {
    this.#path = path;
    this.#file = file;
    this.#live = new Set(live);
    this.#records = live.length;
  }

  /**
   * Opens the queue in `folder`, for one process at a time.
   * @throws MozaikError INPUT_FILE when others may use it
   */
  static async open(folder: string): Promise<SampleQueue> {
    await privateFolder(folder);
    const file = path.join(folder, FILE);
    const live = [...records((await readPrivate(file)) ?? new Uint8Array(0))];
    // Rewritten, so that the next record does not follow half a one.
    await replacePrivate(file, Buffer.concat(live.map(record)));
    return new SampleQueue(file, await open(file, 'a'), live);
  }

  /** All that waits, oldest first. */
  samples(): Waiting[] {
    return [...this.#live];
  }

  /** Adds a sample; resolves when it is on the disk. @throws Error when the disk does not take it */
  add(sample: Waiting): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ sample, resolve, reject });
      this.#work ??= this.#run();
    });
  }

  /** The sample need not be kept any more. */
  remove(sample: Waiting): void {
    this.#live.delete(sample);
    if (this.#isUntidy()) this.#work ??= this.#run();
  }

  async close(): Promise<void> {
    await this.#work;
    await this.#file.close();
  }

  #isUntidy(): boolean {
    const live = this.#live.size;
    return live === 0 ? this.#records > 0 : this.#records > Math.max(TIDY_FROM, 2 * live);
  }

  /** What came while the disk was busy is written together: one flush serves many. */
  async #run(): Promise<void> {
    while (this.#pending.length > 0 || this.#isUntidy()) {
      const batch = this.#pending.splice(0);
      try {
        if (this.#isUntidy()) await this.#tidy();
        if (batch.length > 0) await this.#append(batch.map(({ sample }) => sample));
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(error);
        // Without a batch nobody waits: tidying is tried again with the next sample.
        if (batch.length === 0) break;
      }
    }
    this.#work = undefined;
  }

  async #append(samples: Waiting[]): Promise<void> {
    try {
      await this.#file.appendFile(Buffer.concat(samples.map(record)));
      await this.#file.datasync();
    } catch (error) {
      // Half a record may be there, after which nothing could be read.
      await truncate(this.#path, this.#records * RECORD_BYTES).catch(() => undefined);
      throw error;
    }
    this.#records += samples.length;
    for (const sample of samples) this.#live.add(sample);
  }

  async #tidy(): Promise<void> {
    const live = this.samples();
    if (live.length === 0) {
      await this.#file.truncate(0);
    } else {
      // Closed first: a record must never go to the file that is replaced, whatever fails here.
      await this.#file.close();
      await replacePrivate(this.#path, Buffer.concat(live.map(record)));
      this.#file = await open(this.#path, 'a');
    }
    this.#records = live.length;
  }
}

function record({ device, envelope }: Waiting): Buffer {
  const out = Buffer.alloc(RECORD_BYTES);
  out.set(device, CRC_BYTES);
  out.set(envelope, CRC_BYTES + DEVICE_ID_BYTES);
  out.writeUInt32BE(crc32(out.subarray(CRC_BYTES)));
  return out;
}

function* records(bytes: Uint8Array): Generator<Waiting> {
  for (let at = 0; at + RECORD_BYTES <= bytes.length; at += RECORD_BYTES) {
    const whole = Buffer.from(bytes.subarray(at, at + RECORD_BYTES));
    const body = whole.subarray(CRC_BYTES);
    if (whole.readUInt32BE() !== crc32(body)) continue;
    yield {
      device: Uint8Array.from(body.subarray(0, DEVICE_ID_BYTES)),
      envelope: Uint8Array.from(body.subarray(DEVICE_ID_BYTES)),
    };
  }
}
