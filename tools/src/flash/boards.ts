/** Boards that can be flashed, by the names that their makers' tools give them. */
import { MozaikError } from '@mozaik/protocol';

export type BoardKind =
  | {
      ecosystem: 'espruino';
      board: string;
      /** Whether it has a network; Bluetooth otherwise. */
      network: boolean;
      /** Whether its chip runs our Thumb-2 routine. */
      thumb: boolean;
    }
  | { ecosystem: 'moddable'; platform: string; network: true };

const ESPRUINO: Record<string, { network: boolean; thumb: boolean }> = {
  PUCKJS: { network: false, thumb: true },
  PIXLJS: { network: false, thumb: true },
  MDBT42Q: { network: false, thumb: true },
  JOLTJS: { network: false, thumb: true },
  BANGLEJS2: { network: false, thumb: true },
  ESPRUINOWIFI: { network: true, thumb: true },
  ESP32: { network: true, thumb: false },
};

/** `esp32` or one of its kin, and perhaps a board of the Moddable SDK. */
const MODDABLE = /^esp32(\/[a-z0-9_]{1,40})?$/;

/** @throws MozaikError REQUEST_INVALID naming the boards that there are */
export function parseBoard(text: string): BoardKind {
  const [ecosystem, ...rest] = text.split(':');
  const name = rest.join(':');
  if (ecosystem === 'espruino' && Object.hasOwn(ESPRUINO, name)) {
    return { ecosystem, board: name, ...ESPRUINO[name] };
  }
  if (ecosystem === 'moddable' && MODDABLE.test(name)) {
    return { ecosystem, platform: name, network: true };
  }
  const known = Object.keys(ESPRUINO).map((board) => `espruino:${board}`);
  throw new MozaikError(
    'REQUEST_INVALID',
    `no board is called ${text}: give ${known.join(', ')}, moddable:esp32 or moddable:esp32/BOARD`,
  );
}
