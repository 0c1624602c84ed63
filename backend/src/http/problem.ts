/** Errors as problem details, RFC 9457. Only a MozaikError's own text leaves the backend. */
import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { ERRORS, MozaikError } from '@mozaik/protocol';

export const PROBLEM_TYPE = 'application/problem+json; charset=utf-8';

export function problemOf(error: MozaikError, requestId: string) {
  const { status, title, advice } = ERRORS[error.code];
  const detail = error.detail === undefined ? advice : `${error.detail}. ${advice}`;
  return {
    type: `urn:mozaik:error:${error.code}`,
    title,
    status,
    detail,
    code: error.code,
    requestId,
  };
}

/** What an error is to the caller. Whatever is not known to be the caller's fault is INTERNAL. */
export function asMozaikError(error: unknown): MozaikError {
  if (error instanceof MozaikError) return error;
  const { code, statusCode, validation, message } = error as FastifyError;
  if (validation) return new MozaikError('REQUEST_INVALID', message);
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new MozaikError('REQUEST_TOO_LARGE');
  if (statusCode === 404) return new MozaikError('NOT_FOUND');
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new MozaikError('REQUEST_INVALID');
  }
  return new MozaikError('INTERNAL', undefined, { cause: error });
}

export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply) {
  const problem = asMozaikError(error);
  const { code } = problem;
  if (ERRORS[code].tier === 'internal') request.log.error({ err: error, code }, 'request failed');
  else request.log.info({ code }, 'request refused');
  return reply
    .code(ERRORS[code].status)
    .header('cache-control', 'no-store')
    .type(PROBLEM_TYPE)
    .serializer(JSON.stringify)
    .send(problemOf(problem, request.id));
}

/** Answers what is not HTTP, or did not arrive in time, and hangs up. */
export function refuseConnection(_error: Error, socket: Socket): void {
  if (!socket.writable) return void socket.destroy();
  const problem = problemOf(new MozaikError('REQUEST_INVALID'), randomUUID());
  const body = JSON.stringify(problem);
  const head = [
    'HTTP/1.1 400 Bad Request',
    'Connection: close',
    `Content-Type: ${PROBLEM_TYPE}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}
