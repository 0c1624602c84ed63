/** Configuration files of the services: JSON. */
import { readFile } from 'node:fs/promises';
import { MozaikError, type Schema } from '@mozaik/protocol';

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

/**
 * The configuration of a node, read by {@link readConfig}.
 * @throws MozaikError INPUT_FILE
 */
export function checkNodeConfig<T extends { backendUrl: string; mqttUrl: string }>(
  schema: Schema<T>,
  value: object,
  file: string,
): T {
  try {
    const config = schema(value, file);
    for (const address of [config.backendUrl, config.mqttUrl]) new URL(address);
    return config;
  } catch (cause) {
    const detail = cause instanceof MozaikError ? cause.detail : `${file}: not an address`;
    throw new MozaikError('INPUT_FILE', detail, { cause });
  }
}

/** An event of a node as a line for people. */
export function formatNodeEvent({
  event,
  job,
  code,
  detail,
}: {
  event: string;
  job?: string;
  code?: string;
  detail?: string;
}): string {
  return [new Date().toISOString(), event, job, code, detail].filter(Boolean).join('  ');
}
