export * from './ascon.ts';
export * from './beat.ts';
export * from './keys.ts';
export * from './ledger.ts';
export * from './mqtt.ts';
export * from './peak.ts';
export * from './publisher.ts';
export * from './sensor.ts';
