/**
 * The suite that every engine runs on its own bundle: known answers, ledger, segmentation, protocol.
 * It keeps to the boards' subset itself. A check that fails throws.
 */
import type { Answer, Sdk, SuiteData } from './sdk.ts';

const BEAT = 187;
const ENVELOPE = 233;

function unhex(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = parseInt(text.substr(2 * i, 2), 16);
  }
  return bytes;
}

function hex(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i++) {
    text += (bytes[i] < 16 ? '0' : '') + bytes[i].toString(16);
  }
  return text;
}

function equal(what: string, found: unknown, expected: unknown): void {
  if (found !== expected) {
    throw new Error(what + ': found ' + String(found) + ', expected ' + String(expected));
  }
}

/** Adds bytes to a running checksum: two sums modulo a prime, exact in every engine. */
function sum(bytes: Uint8Array, before: number): number {
  let low = before % 65521;
  let high = Math.floor(before / 65521);
  for (let i = 0; i < bytes.length; i++) {
    low = (low + bytes[i] + 1) % 65521;
    high = (high + low) % 65521;
  }
  return high * 65521 + low;
}

function counting(length: number, from: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) {
    bytes[i] = from + i;
  }
  return bytes;
}

/** Three of NIST's answers, for when the whole list is not at hand. */
const FEW: Answer[] = [
  {
    key: '000102030405060708090a0b0c0d0e0f',
    nonce: '101112131415161718191a1b1c1d1e1f',
    associatedData: '',
    plaintext: '',
    sealed: '4f9c278211bec9316bf68f46ee8b2ec6',
  },
  {
    key: '000102030405060708090a0b0c0d0e0f',
    nonce: '101112131415161718191a1b1c1d1e1f',
    associatedData: '30',
    plaintext: '',
    sealed: 'cccb674fe18a09a285d6ab11b35675c0',
  },
  {
    key: '000102030405060708090a0b0c0d0e0f',
    nonce: '101112131415161718191a1b1c1d1e1f',
    associatedData: '303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f',
    plaintext: '202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f',
    sealed:
      'cb34d04660a66dbfbe9c856601f5b8aa51a499b55ac8f7fbefbc331a613ee9cd' +
      'fd191750a47f211c0a15ed28173d7caa',
  },
];

function knownAnswers(sdk: Sdk, data: SuiteData): void {
  const cipher = new sdk.AsconAead128();
  const answers = FEW.concat(data.answers);
  for (let i = 0; i < answers.length; i++) {
    const answer = answers[i];
    const out = new Uint8Array(answer.sealed.length / 2);
    cipher.encrypt(
      unhex(answer.key),
      unhex(answer.nonce),
      unhex(answer.associatedData),
      unhex(answer.plaintext),
      out,
    );
    equal('known answer ' + i, hex(out), answer.sealed.toLowerCase());
  }
}

function keys(sdk: Sdk): void {
  const master = counting(16, 200);
  const device = sdk.deviceId(master);
  equal('device id', hex(device), '9eab3dd9ec98218bc58c745efc3c2560');
  const key = sdk.epochKey(master, counting(32, 0), device, 513, 495000);
  equal('epoch key', hex(key), '502f662561c4df95877e763429d243f5');
}

function ledger(sdk: Sdk): void {
  const flash = sdk.flash();
  let last = -1;
  let taken = 0;
  for (let life = 0; life < 40; life++) {
    flash.cutAfter(life % 4);
    try {
      const numbers = flash.start();
      for (let i = 0; i < 30 + life; i++) {
        const number = numbers.next();
        if (number <= last) {
          throw new Error('ledger: repeated ' + number + ' after ' + last);
        }
        last = number;
        taken++;
      }
    } catch (error) {
      equal('ledger', (error as Error).message, 'power cut');
    }
  }
  if (taken < 1000) {
    throw new Error('ledger: only ' + taken + ' numbers in 40 lives');
  }
}

/** An envelope that its number tells. */
function numbered(number: number): Uint8Array {
  const envelope = counting(ENVELOPE, number);
  envelope[16] = 0;
  envelope[17] = 0;
  envelope[18] = number >> 8;
  envelope[19] = number;
  return envelope;
}

/** Every sample that was taken arrives, with its own bytes, though the power fails again and again. */
function outbox(sdk: Sdk): void {
  const flash = sdk.outbox();
  const taken = new Uint8Array(1000);
  const arrived = new Uint8Array(1000);
  let answers: number[] = [];
  const sink = {
    offer: (envelope: Uint8Array) => {
      const number = 256 * envelope[18] + envelope[19];
      equal('sample ' + number, hex(envelope), hex(numbered(number)));
      answers.push(number);
      return true;
    },
  };
  /** What was on its way when the power failed is lost; the rest arrives, and is answered. */
  const answer = (box: ReturnType<typeof flash.start>) => {
    const number = answers.shift() as number;
    arrived[number] = 1;
    box.settle(number);
  };
  let number = 0;
  let cuts = 0;
  const lives = 40;
  for (let life = 0; life <= lives; life++) {
    flash.cutAfter(life === lives ? 1e6 : (7 * life) % 23);
    answers = [];
    try {
      const box = flash.start();
      box.start(sink);
      for (let i = 0; i < 20; i++) {
        number++;
        if (box.offer(numbered(number))) {
          taken[number] = 1;
        }
        for (let k = 0; k < i % 3 && answers.length > 0; k++) {
          answer(box);
        }
      }
      while (answers.length > 0) {
        answer(box);
      }
      equal('pending', box.pending(), 0);
    } catch (error) {
      equal('outbox', (error as Error).message, 'power cut');
      cuts++;
    }
  }
  let count = 0;
  for (let i = 0; i < taken.length; i++) {
    count += taken[i];
    if (taken[i] > arrived[i]) {
      throw new Error('outbox: lost ' + i);
    }
  }
  if (cuts < 30 || count < 100) {
    throw new Error('outbox: ' + cuts + ' cuts, and ' + count + ' samples taken');
  }
}

/** A pulse train like an ECG, in integers. */
function signal(t: number): number {
  const phase = t % 100;
  const wander = (t >> 3) % 40;
  const spike = phase < 3 ? 400 * (phase + 1) : phase < 6 ? 1200 - 400 * (phase - 3) : 0;
  const hump = phase > 30 && phase < 50 ? 10 * Math.min(phase - 30, 50 - phase) : 0;
  return wander + spike + hump + ((t * 7919) % 13);
}

/** Cuts a signal into windows; returns their checksum. */
export function segment(sdk: Sdk): number {
  let beats = 0;
  let check = 0;
  let lastMs = 0;
  const segmenter = new sdk.Segmenter({
    onBeat: (window, timeMs) => {
      equal('window', window.length, BEAT);
      beats++;
      check = sum(window, check);
      lastMs = timeMs;
    },
  });
  for (let t = 0; t < 1500; t++) {
    segmenter.push(signal(t), t * 8);
  }
  segmenter.restart();
  for (let t = 1500; t < 2500; t++) {
    segmenter.push(signal(t), t * 8);
  }
  // Two seconds are learnt from, twice; a window is told when the next beat has come.
  equal('beats', beats, 17);
  equal('time of the last beat', lastMs, 18424);
  return check;
}

function segmentation(sdk: Sdk, data: SuiteData): void {
  const windows = segment(sdk);
  if (data.windows !== undefined) {
    equal('windows', windows, data.windows);
  }
}

/** A broker of a few lines, which loses connections on purpose. */
interface FakeBroker {
  connections: number;
  published: number;
  check: number;
  stored: string;
  write: (bytes: Uint8Array) => void;
}

function protocol(sdk: Sdk): void {
  const broker: FakeBroker = {
    connections: 0,
    published: 0,
    check: 0,
    stored: '',
    write: () => {},
  };
  const acknowledged: number[] = [];
  let reasons = '';
  const publisher = new sdk.Publisher({
    clientId: 'board',
    username: 'board',
    password: 'sesame',
    topic: 'mozaik/v1/u/00/d/11/s/2',
    random: (bytes) => {
      bytes.fill(0);
    },
    onAcknowledged: (sequence) => {
      acknowledged.push(sequence);
    },
    onDisconnected: (reason) => {
      reasons += reason === '' ? '' : 'x';
    },
    connect: () => {
      broker.connections++;
      const socket = {
        onData: (bytes: Uint8Array) => {
          throw new Error('unheard ' + bytes.length);
        },
        onClose: () => {},
        close: () => {},
        write: (bytes: Uint8Array) => {
          broker.check = sum(bytes, broker.check);
          const kind = bytes[0] >> 4;
          if (kind === 1) {
            // In two pieces: bytes arrive split anywhere.
            socket.onData(new Uint8Array([0x20, 2, 0]));
            socket.onData(new Uint8Array([0]));
          } else if (kind === 3) {
            broker.published++;
            const id = bytes.length - ENVELOPE - 2;
            if (broker.published % 5 === 0) {
              socket.onClose();
              return;
            }
            broker.stored += ' ' + bytes[id + 2 + 19];
            socket.onData(new Uint8Array([0x40, 2, bytes[id], bytes[id + 1]]));
          }
        },
      };
      return socket;
    },
  });
  let number = 0;
  const sealer = new sdk.Sealer({
    masterKey: counting(16, 1),
    userId: counting(32, 2),
    stream: 2,
    epochBeats: 4,
    random: (bytes) => {
      bytes.fill(7);
    },
    ledger: { next: () => number++ },
    sink: publisher,
  });
  for (let second = 0; second < 60; second++) {
    publisher.tick(second * 1000);
    if (second % 3 === 0) {
      equal('beat', sealer.beat(counting(BEAT, second), 1000000 + second), second / 3);
    }
  }
  equal('pending', publisher.pending(), 0);
  equal('acknowledged', acknowledged.length, 20);
  equal('order', broker.stored, ' 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19');
  equal('connections', broker.connections, 5);
  equal('losses', reasons.length, broker.connections - 1);
  equal('bytes', broker.check, 3496820960);
}

/** Each part, to be run in an engine of its own. */
export const suite: { name: string; run: (sdk: Sdk, data: SuiteData) => void }[] = [
  { name: 'known answers', run: knownAnswers },
  { name: 'keys', run: keys },
  { name: 'ledger', run: ledger },
  { name: 'outbox', run: outbox },
  { name: 'segmentation', run: segmentation },
  { name: 'protocol', run: protocol },
];
