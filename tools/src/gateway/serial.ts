/**
 * A board, or a radio that passes a board's packets on, at a serial port. Node opens the port as a
 * terminal; `stty` sets its speed. That needs no library, and Linux and macOS have it.
 */
import { execFile } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { isatty, ReadStream } from 'node:tty';
import { promisify } from 'node:util';
import { MozaikError } from '@mozaik/protocol';
import { streamLink } from './framing.ts';
import type { AcceptLink, LinkSource } from './link.ts';

const run = promisify(execFile);
/** A port that was unplugged is looked for again after this time, ms. */
const RETRY_MS = 2000;

/**
 * Opens a serial port, raw.
 * @param baud bits per second; USB ignores it
 * @throws MozaikError PORT_MISSING when it is not there or is no serial port
 */
export async function openSerial(port: string, baud: number): Promise<ReadStream> {
  if (process.platform === 'win32') {
    throw new MozaikError('PORT_MISSING', `${port}: serial ports need Linux or macOS here`);
  }
  let fd: number;
  try {
    fd = openSync(port, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new MozaikError('PORT_MISSING', `${port}: ${code}`, { cause });
  }
  try {
    if (!isatty(fd)) throw new MozaikError('PORT_MISSING', `${port} is no serial port`);
    await setRaw(port, baud);
    return new ReadStream(fd);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

async function setRaw(port: string, baud: number): Promise<void> {
  const select = process.platform === 'darwin' ? '-f' : '-F';
  try {
    await run('stty', [select, port, String(baud), 'raw', '-echo', 'clocal']);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new MozaikError('TOOL_MISSING', 'stty: install the coreutils', { cause });
    }
    throw new MozaikError('PORT_MISSING', `stty does not take ${port} at ${baud}`, { cause });
  }
}

/** Serves what is at a serial port, again and again when it was unplugged. @throws as openSerial */
export async function listenSerial(
  port: string,
  baud: number,
  accept: AcceptLink,
): Promise<LinkSource> {
  let closed = false;
  let stream: ReadStream | undefined;
  let retry: NodeJS.Timeout | undefined;
  const serve = (opened: ReadStream): void => {
    if (closed) {
      opened.destroy();
      return;
    }
    stream = opened;
    opened.once('close', again);
    accept(streamLink(`serial ${port}`, opened));
  };
  const again = (): void => {
    if (closed) return;
    retry = setTimeout(() => {
      openSerial(port, baud).then(serve, again);
    }, RETRY_MS);
  };
  serve(await openSerial(port, baud));
  return {
    close: () => {
      closed = true;
      clearTimeout(retry);
      stream?.destroy();
      return Promise.resolve();
    },
  };
}
