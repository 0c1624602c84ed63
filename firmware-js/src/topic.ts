import { hex } from './bytes.ts';

/** The MQTT topic of one stream. */
export function sampleTopic(userId: Uint8Array, device: Uint8Array, stream: number): string {
  return 'mozaik/v1/u/' + hex(userId) + '/d/' + hex(device) + '/s/' + stream;
}
