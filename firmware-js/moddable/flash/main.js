/**
 * What `mozaik flash` builds: says on the console, a few times, what the self-test found and whose key
 * the board has, and starts the example. The module `settings` is made for one board and kept nowhere.
 */
import timer from 'timer';
import { deviceId, selfTest } from 'mozaik';
import { start } from './app';
import settings from 'settings';

const SAY_MS = 2000;
const TIMES = 30;

const masterKey = new Uint8Array(settings.masterKey);
const userId = new Uint8Array(settings.userId);
selfTest();
const line = `mozaik plain ${deviceId(masterKey).join()}\r\n`;
const console = new device.io.Serial({ ...device.Serial.default, baud: 115200, format: 'buffer' });
let said = 0;
const speaking = timer.repeat(() => {
  console.write(ArrayBuffer.fromString(line));
  said++;
  if (said === TIMES) {
    timer.clear(speaking);
  }
}, SAY_MS);

start({ ...settings, masterKey, userId });
