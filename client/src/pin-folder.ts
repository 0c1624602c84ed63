/** Pins in a folder of the user (Node): one signed descriptor for each party. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MozaikError } from '@mozaik/protocol';
import { Pins, type Pin, type PinStorage } from './pins.ts';
import { createPrivate, privateFolder, readPrivate, replacePrivate } from './private-file.ts';

const SUFFIX = '.cbor';

/** The pins in `folder`/pins. Nobody else may write there, or they could take a pin away. */
export function pinsInFolder(folder: string): Pins {
  const pins = join(folder, 'pins');
  const path = (party: string) => join(pins, party + SUFFIX);
  const prepare = async () => {
    await privateFolder(folder);
    await privateFolder(pins);
  };
  const storage: PinStorage = {
    load: (party) => readPrivate(path(party)),
    create: async (party, signed) => {
      await prepare();
      await createPrivate(path(party), signed);
    },
    replace: (party, signed) => replacePrivate(path(party), signed),
    parties: async () => {
      await prepare();
      const files = await readdir(pins);
      return files
        .filter((file) => /^[0-9a-f]{64}\.cbor$/.test(file))
        .map((file) => file.slice(0, -SUFFIX.length));
    },
  };
  return new Pins(storage);
}

/**
 * Pins the signed descriptor in a file that the party gave to the user.
 * @throws MozaikError INPUT_FILE when it cannot be read, and as {@link Pins.pin}
 */
export async function pinFile(pins: Pins, path: string): Promise<Pin> {
  let signed: Uint8Array;
  try {
    signed = new Uint8Array(await readFile(path));
  } catch (cause) {
    throw new MozaikError('INPUT_FILE', path, { cause });
  }
  return pins.pin(signed);
}
