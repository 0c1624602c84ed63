/** Sealed shares leave the disk when their consent ends, whichever way. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { fromHex, REVOCATION, sign } from '@mozaik/protocol';
import { openDatabase } from '../src/store/database.ts';
import { key } from '../src/store/keys.ts';
import {
  alice,
  call,
  consentOf,
  finishJob,
  giveConsent,
  runningJob,
  sleep,
  startWorld,
  stateOf,
  storeSamples,
  temporaryFolder,
  until,
} from './support.ts';

/** Of a file that compaction has just removed: nothing. */
function contents(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}

/** Files of the folder that hold these bytes. */
function filesWith(folder: string, bytes: Uint8Array): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter((path) => contents(path).includes(Buffer.from(bytes)));
}

const sharesOf = (name: string): Uint8Array[] =>
  [0, 1, 2].map((i) => createHash('sha512').update(`${name}${i}`).digest());

function expectOnDisk(folder: string, shares: Uint8Array[], isThere: boolean): void {
  for (const share of shares) expect(filesWith(folder, share).length > 0).toBe(isThere);
}

describe('sealed shares are gone from every file', () => {
  test('after a revocation, while those of other consents stay', async () => {
    const dataDir = temporaryFolder();
    const world = await startWorld({ dataDir });
    const [kept, revoked] = [sharesOf('kept'), sharesOf('revoked')];
    const other = await giveConsent(world, consentOf(), kept);
    const hash = await giveConsent(world, consentOf(), revoked);
    expectOnDisk(dataDir, revoked, true);
    const body = sign(REVOCATION, { v: 1, consent: fromHex(hash, 32), issued: 1 }, alice);
    expect((await call(world.backend, world.user, 'POST /v1/revocations', body)).status).toBe(204);
    expectOnDisk(dataDir, revoked, false);
    expectOnDisk(dataDir, kept, true);
    const share = await call(
      world.backend,
      world.partyTokens[0],
      `GET /v1/consents/${other}/share`,
    );
    expect(Buffer.from(share.bytes).equals(kept[0])).toBe(true);
  });

  test('after the expiry, on the day itself and at the next start', async () => {
    const dataDir = temporaryFolder();
    let now = Date.now();
    const options = { dataDir, now: () => now, jobs: { tickMs: 20 } };
    const world = await startWorld(options);
    const [early, late] = [sharesOf('early'), sharesOf('late')];
    const first = await giveConsent(world, consentOf({ expires: now + 1000 }), early);
    const second = await giveConsent(world, consentOf({ expires: now + 100_000 }), late);
    const route = `GET /v1/consents/${first}/share`;
    expect((await call(world.backend, world.partyTokens[0], route)).status).toBe(200);
    now += 1000;
    const refused = await call(world.backend, world.partyTokens[0], route);
    expect(refused.json['code']).toBe('CONSENT_EXPIRED');
    await until(() => filesWith(dataDir, early[0]).length === 0 || undefined, 'the erasure');
    await until(() => filesWith(dataDir, early[2]).length === 0 || undefined, 'the erasure');
    expect(await stateOf(world, first)).toBe('expired');
    expectOnDisk(dataDir, late, true);
    await world.backend.close();
    now += 1000_000;
    const again = await startWorld(options);
    expectOnDisk(dataDir, late, false);
    expect(await stateOf(again, second)).toBe('expired');
  });

  test('when a one-off is done', async () => {
    const dataDir = temporaryFolder();
    const world = await startWorld({ dataDir });
    await storeSamples(world, [1, 2, 3]);
    const shares = sharesOf('once');
    const hash = await giveConsent(world, consentOf({ mode: 'once' }), shares);
    expectOnDisk(dataDir, shares, true);
    await finishJob(world, (await runningJob(world, hash)).job);
    await until(async () => (await stateOf(world, hash)) === 'finished' || undefined);
    await until(() => filesWith(dataDir, shares[2]).length === 0 || undefined, 'the erasure');
    expectOnDisk(dataDir, shares, false);
    const route = `GET /v1/consents/${hash}/share`;
    const { json } = await call(world.backend, world.partyTokens[0], route);
    expect(json['code']).toBe('NOT_FOUND');
  });

  test('even when they were never moved out of the youngest table', async () => {
    const folder = temporaryFolder();
    const db = await openDatabase(folder);
    const shares = sharesOf('young');
    const at = (i: number) => key(Buffer.alloc(32, 7), Uint8Array.of(i));
    await db.write(shares.map((share, i) => db.shares.put(at(i), share)));
    await db.eraseShares(shares.map((_, i) => db.shares.delete(at(i))));
    expectOnDisk(folder, shares, false);
    await db.close();
  });

  test('even among other data in deep levels, and while ranges are being read', async () => {
    const folder = temporaryFolder();
    const db = await openDatabase(folder);
    const hash = Buffer.alloc(32, 7);
    const shares = sharesOf('deep');
    const at = (i: number) => key(hash, Uint8Array.of(i));
    const noise = () =>
      db.write(
        Array.from({ length: 2000 }, () => {
          const random = createHash('sha256').update(String(Math.random())).digest();
          return db.samples.put(random, Buffer.alloc(4000, random));
        }),
      );
    await db.write(shares.map((share, i) => db.shares.put(at(i), share)));
    for (let i = 0; i < 3; i++) await noise();
    // A reader holds a snapshot; erasing waits until it has left.
    const reader = db.samples.entries({});
    await reader.next();
    const erased = db.eraseShares(shares.map((_, i) => db.shares.delete(at(i))));
    let isErased = false;
    void erased.then(() => (isErased = true));
    await sleep(1000);
    expect(isErased).toBe(false);
    await reader.return(undefined);
    await erased;
    expectOnDisk(folder, shares, false);
    for await (const [found] of db.samples.entries({ limit: 1 })) expect(found).toBeDefined();
    await db.close();
  });
});
