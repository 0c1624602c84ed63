/**
 * What `mozaik flash` builds: says on the console, a few times, what the self-test found and whose key
 * the board has, and starts the example. The module `settings` is made for one board and kept nowhere.
 *
 * A board without the nonce ledger of its key says so instead, and makes it only when it is told to:
 * `mozaik flash`, which has just made the key, does that. One that has lost its ledger does not run.
 */
import timer from 'timer';
import { deviceId, provision, selfTest } from 'mozaik';
import { start } from './app';
import settings from 'settings';

const SAY_MS = 2000;
const TIMES = 30;

const masterKey = new Uint8Array(settings.masterKey);
const userId = new Uint8Array(settings.userId);
selfTest();
const id = deviceId(masterKey).join();
let line = `mozaik new ${id}\r\n`;
let heard = '';

function run() {
  start({ ...settings, masterKey, userId });
  line = `mozaik plain ${id}\r\n`;
}

const console = new device.io.Serial({
  ...device.Serial.default,
  baud: 115200,
  format: 'buffer',
  onReadable() {
    heard = (heard + String.fromArrayBuffer(this.read())).slice(-100);
    if (line.startsWith('mozaik new') && heard.includes(`provision ${id}\r`)) {
      provision(masterKey);
      run();
    }
  },
});
let said = 0;
const speaking = timer.repeat(() => {
  console.write(ArrayBuffer.fromString(line));
  said++;
  if (said === TIMES) {
    timer.clear(speaking);
  }
}, SAY_MS);

try {
  run();
} catch (error) {
  trace(`${error.message}\n`);
}
