/**
 * A heartbeat sensor on an ESP32 with an AD8232 on pins 34 (output), 32 and 33 (electrodes off).
 *
 * Device and user come from the key-value domain `mozaik-setup`, where provisioning puts them: the key
 * stands in no source file.
 */
import storage from 'embedded:storage/key-value';
import { connect } from 'mozaik';

const Digital = device.io.Digital;
const setup = storage.open({ path: 'mozaik-setup', format: 'buffer' });
const bytes = (key) => new Uint8Array(setup.read(key));
const text = (key) => String.fromArrayBuffer(setup.read(key));

connect({
  network: device.network.mqtts,
  host: text('host'),
  port: 8883,
  password: text('password'),
  masterKey: bytes('masterKey'),
  userId: bytes('userId'),
  ecg: {
    sensor: { io: device.io.Analog, pin: 34 },
    leadsOff: [32, 33].map((pin) => ({ io: Digital, pin, mode: Digital.Input })),
  },
  onLeads: (on) => trace(on ? 'electrodes on\n' : 'an electrode is loose\n'),
  onDisconnected: (reason) => trace(`${reason}\n`),
});
