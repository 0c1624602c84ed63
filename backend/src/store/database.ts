/** The one database of the backend: a folder that only its owner can enter, and what its tables hold. */
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import {
  bytes,
  bytesUpTo,
  CONSENT,
  DEVICE_ID_BYTES,
  HASH_BYTES,
  ID_BYTES,
  integer,
  JOB_ID_BYTES,
  MODEL,
  MozaikError,
  oneOf,
  SEALED_MODEL,
  SIGNED_BODY_MAX_BYTES,
  struct,
  text,
  type AnyModelDescriptor,
  type ErrorCode,
  type Infer,
  type Schema,
} from '@mozaik/protocol';
import { Gate } from './gate.ts';
import { rawBytes, record, Table, type Codec, type Write } from './table.ts';

const timestamp = integer(0, 2 ** 48 - 1);
const signed = bytesUpTo(2 * SIGNED_BODY_MAX_BYTES);

const party = struct({
  descriptor: bytes(HASH_BYTES),
  name: text(64),
  issued: integer(0, Number.MAX_SAFE_INTEGER),
  signed,
});

const anyModel: Schema<AnyModelDescriptor> = (value, path) =>
  Object.hasOwn(Object(value) as object, 'activation')
    ? SEALED_MODEL.schema(value, path)
    : MODEL.schema(value, path);
const model = struct({ descriptor: anyModel, signed });

const device = struct({
  device: bytes(DEVICE_ID_BYTES),
  name: text(64),
  /** Id of the device's only valid token. */
  token: text(64),
});
export type DeviceRecord = Infer<typeof device>;

export const CONSENT_STATES = ['active', 'finished', 'revoked', 'expired'] as const;
export type ConsentState = (typeof CONSENT_STATES)[number];

const consent = struct({
  hash: bytes(HASH_BYTES),
  consent: CONSENT.schema,
  signed,
  state: oneOf(...CONSENT_STATES),
  /** When the backend accepted it, ms since 1970. */
  created: timestamp,
});
export type ConsentRecord = Infer<typeof consent>;

export const JOB_STATES = ['running', 'done', 'failed', 'cancelled'] as const;

const job = struct({
  job: bytes(JOB_ID_BYTES),
  consent: bytes(HASH_BYTES),
  user: bytes(ID_BYTES),
  state: oneOf(...JOB_STATES),
  attempt: integer(1, 0xffff),
  /** Number of samples. */
  samples: integer(1, 0xffffffff),
  /** Why it failed or was cancelled, else empty. */
  code: ((value, path) => (value === '' ? '' : text(64)(value, path))) as Schema<ErrorCode | ''>,
  created: timestamp,
});
export type JobRecord = Infer<typeof job>;

/** What abstract-level puts before the keys of the sublevel `shares`. */
const SHARES_PREFIX = Buffer.from('!shares!');
/** Below and above every key of a share. */
const shareBounds = [0x00, 0xff].map((byte) => Buffer.alloc(HASH_BYTES + 1, byte));

export type Database = Awaited<ReturnType<typeof openDatabase>>;

/**
 * Opens the database in `folder`.
 * @throws MozaikError STATE_CORRUPT when it is damaged or in use by another process
 */
export async function openDatabase(folder: string) {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  const db = new ClassicLevel<Uint8Array, Uint8Array>(join(folder, 'db'), {
    keyEncoding: 'view',
    valueEncoding: 'view',
    // Values are ciphertexts: they do not compress.
    compression: false,
  });
  try {
    await db.open();
  } catch (cause) {
    throw new MozaikError('STATE_CORRUPT', 'the database cannot be opened', { cause });
  }
  await chmod(join(folder, 'db'), 0o700);

  const gate = new Gate();
  const table = <T>(name: string, codec: Codec<T>) => new Table<T>(db, gate, name, codec);
  const shares = table('shares', rawBytes);
  return {
    /** user ‖ device ‖ stream ‖ sequence → received (u48) ‖ envelope */
    samples: table('samples', rawBytes),
    /** consent ‖ position of the party (u8) → sealed key share */
    shares,
    /** party → descriptor */
    parties: table('parties', record(party, 'party')),
    /** model hash → descriptor */
    models: table('models', record(model, 'model')),
    /** model hash ‖ position of the party (u8) → sealed model share, or the sealed model */
    modelShares: table('model-shares', rawBytes),
    /** user ‖ device → device. Keyed by its user: nobody can take another's device id. */
    devices: table('devices', record(device, 'device')),
    /** consent hash → consent */
    consents: table('consents', record(consent, 'consent')),
    /** user ‖ consent hash → empty */
    consentsByUser: table('consents-by-user', rawBytes),
    /** expires (u48) ‖ consent hash → empty, until then */
    expiries: table('expiries', rawBytes),
    /** party ‖ consent hash → signed revocation, until the consent expires */
    revocations: table('revocations', rawBytes),
    /** consent hash ‖ sequence (u32) → empty: already given to a job */
    assigned: table('assigned', rawBytes),
    /** job → job */
    jobs: table('jobs', record(job, 'job')),
    /** job → its sequence numbers, u32 each, ascending */
    jobSequences: table('job-sequences', rawBytes),
    /** job → name of the frame with its ciphertexts (UTF-8), on the homomorphic path */
    jobFrames: table('job-frames', rawBytes),
    /** user ‖ consent hash ‖ created (u48) ‖ attempt (u16) ‖ job → empty */
    jobsByConsent: table('jobs-by-consent', rawBytes),
    /** user ‖ place (u48) ‖ job → empty: jobs that are done, in the order in which they were */
    doneJobs: table('done-jobs', rawBytes),
    /** job → its place in that order (u48) */
    donePlaces: table('done-places', rawBytes),
    /** job ‖ position of the party (u8) → result submission */
    results: table('results', rawBytes),

    /** Writes all or nothing, and returns when it is on the disk. */
    write: (writes: Write[]): Promise<void> => db.batch(writes, { sync: true }),

    /**
     * Removes deleted shares from the files. LevelDB only marks a deletion; the bytes stay in the log
     * and in older tables until these are rewritten. Two rounds of marking and compacting are needed:
     * the first one may leave share and mark together in one table of a deep level, which only the
     * second one rewrites.
     *
     * Afterwards no file of the database holds the shares. Not guaranteed: blocks of files that were
     * deleted stay on the medium until it reuses them, and in backups and file system snapshots.
     *
     * @param deletions in the order of their keys; without any, whatever an earlier run left behind
     */
    eraseShares: (deletions: Write[]): Promise<void> =>
      gate.exclusive(async () => {
        const marks = deletions.length > 0 ? deletions : shareBounds.map((at) => shares.delete(at));
        const [first, last] = [marks[0], marks[marks.length - 1]].map(({ key }) =>
          Buffer.concat([SHARES_PREFIX, key]),
        );
        for (let round = 0; round < 2; round++) {
          await db.batch(marks, { sync: true });
          await db.compactRange(first, last);
        }
      }),

    close: (): Promise<void> => db.close(),
  };
}
