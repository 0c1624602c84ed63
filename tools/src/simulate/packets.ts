/** What the simulated link has to know of MQTT 3.1.1: where packets end, and the parts of a PUBLISH. */

const PUBLISH = 3;
const DUP = 0x08;

/** The fixed header (section 2.2): offset of the body and length of the whole, once it is complete. */
function frame(bytes: Uint8Array): { body: number; end: number } | undefined {
  let remaining = 0;
  for (let at = 1; at < bytes.length; at++) {
    remaining += (bytes[at] & 0x7f) * 128 ** (at - 1);
    if (!(bytes[at] & 0x80)) return { body: at + 1, end: at + 1 + remaining };
  }
  return undefined;
}

/** Cuts a stream of legal MQTT, in pieces of any size, into whole packets. */
export class PacketSplitter {
  #rest = new Uint8Array(0);

  /** @returns the packets that are complete now; copies */
  push(bytes: Uint8Array): Uint8Array[] {
    let rest = Uint8Array.from(Buffer.concat([this.#rest, bytes]));
    const packets: Uint8Array[] = [];
    for (let head = frame(rest); head && head.end <= rest.length; head = frame(rest)) {
      packets.push(rest.slice(0, head.end));
      rest = rest.slice(head.end);
    }
    this.#rest = rest;
    return packets;
  }
}

export const isPublish = (packet: Uint8Array): boolean => packet[0] >> 4 === PUBLISH;

/** Whether the sender says that it may have sent this before (section 3.3.1.1). */
export const isRepetition = (packet: Uint8Array): boolean => (packet[0] & DUP) !== 0;

/** The same packet, marked as a repetition. */
export function repetition(packet: Uint8Array): Uint8Array {
  const copy = packet.slice();
  copy[0] |= DUP;
  return copy;
}

/** Packet id and payload of a whole PUBLISH packet with QoS 1 (section 3.3.2). */
export function publishParts(packet: Uint8Array): { id: number; payload: Uint8Array } {
  const body = packet.subarray(frame(packet)!.body);
  const idAt = 2 + ((body[0] << 8) | body[1]);
  return { id: (body[idAt] << 8) | body[idAt + 1], payload: body.subarray(idAt + 2) };
}
