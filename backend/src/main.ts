/**
 * The backend as a process. Options are JSON, from the environment variable MOZAIK_BACKEND or the
 * first argument. Prints one line of JSON when it listens; logs go to stderr.
 */
import { MozaikError } from '@mozaik/protocol';
import { startBackend } from './backend.ts';
import type { BackendOptions } from './config.ts';

function readOptions(): BackendOptions {
  const text = process.env['MOZAIK_BACKEND'] ?? process.argv[2];
  if (text === undefined) throw new MozaikError('INPUT_FILE', 'MOZAIK_BACKEND holds no options');
  try {
    const options: unknown = JSON.parse(text);
    if (typeof options === 'object' && options !== null) return options as BackendOptions;
  } catch {
    // Said below, without the parser's quotation: the options may hold a TLS key.
  }
  throw new MozaikError('INPUT_FILE', 'the options are not a JSON object');
}

function fail(error: unknown): never {
  const known = error instanceof MozaikError ? error : new MozaikError('INTERNAL', String(error));
  process.stderr.write(`${known.code}: ${known.message}\n`);
  process.exit(1);
}

try {
  const backend = await startBackend(readOptions());
  const stop = () => void backend.close().then(() => process.exit(0), fail);
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  // Started by another process, the backend ends with it.
  process.once('disconnect', stop);
  const { httpUrl, mqttUrl } = backend;
  process.stdout.write(`${JSON.stringify({ ready: true, httpUrl, mqttUrl })}\n`);
} catch (error) {
  fail(error);
}
