/** Configuration files of the services: JSON. */
import { readFile } from 'node:fs/promises';
import { MozaikError } from '@mozaik/protocol';

/**
 * Reads a JSON object.
 * @throws MozaikError INPUT_FILE, without quoting the file: it may hold a TLS key
 */
export async function readConfig(file: string): Promise<object> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new MozaikError('INPUT_FILE', `${file} cannot be read`, { cause });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Refused below.
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw new MozaikError('INPUT_FILE', `${file} is not a JSON object`);
}
