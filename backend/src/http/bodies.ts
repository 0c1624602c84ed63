/** Bodies and answers of bytes. */
import type { FastifyInstance, FastifyReply } from 'fastify';
import { encodeCanonical, fromHex, MozaikError } from '@mozaik/protocol';

const CBOR = 'application/cbor';

/** CBOR bodies stay bytes until a route decodes them strictly. */
export function parseBytes(app: FastifyInstance): void {
  app.removeContentTypeParser('text/plain');
  app.addContentTypeParser(CBOR, { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
}

/** @throws MozaikError REQUEST_INVALID when the body was sent as something else */
export function bytesOf(body: unknown): Uint8Array {
  // A plain view: a Buffer's methods share memory where a Uint8Array's copy.
  if (Buffer.isBuffer(body)) return new Uint8Array(body.buffer, body.byteOffset, body.length);
  throw new MozaikError('REQUEST_INVALID', `expected a body of type ${CBOR}`);
}

const send = (reply: FastifyReply, type: string, bytes: Uint8Array) =>
  reply.type(type).header('cache-control', 'no-store').send(Buffer.from(bytes));

export const sendSigned = (reply: FastifyReply, bytes: Uint8Array) => send(reply, CBOR, bytes);

export const sendCbor = (reply: FastifyReply, value: unknown) =>
  send(reply, CBOR, encodeCanonical(value));

export const sendOctets = (reply: FastifyReply, bytes: Uint8Array) =>
  send(reply, 'application/octet-stream', bytes);

/** A path or query parameter whose form its schema has checked. */
export const bytesFrom = (hex: string): Uint8Array => fromHex(hex, hex.length / 2);
