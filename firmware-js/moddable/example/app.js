/** A heartbeat sensor on an ESP32 with an AD8232 on pins 34 (output), 32 and 33 (electrodes off). */
import { connect } from 'mozaik';

const Digital = device.io.Digital;

/** @param settings host, port, password, masterKey and userId, see `connect`. */
export function start(settings) {
  return connect({
    network: device.network.mqtts,
    ...settings,
    ecg: {
      sensor: { io: device.io.Analog, pin: 34 },
      leadsOff: [32, 33].map((pin) => ({ io: Digital, pin, mode: Digital.Input })),
    },
    onLeads: (on) => trace(on ? 'electrodes on\n' : 'an electrode is loose\n'),
    onDisconnected: (reason) => trace(`${reason}\n`),
  });
}
