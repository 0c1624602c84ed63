/** Who may call which route. A route without a rule is closed. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { MozaikError } from '@mozaik/protocol';
import { ROLES, type Principal, type Role } from '../auth/principal.ts';
import type { Tokens } from '../auth/tokens.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Roles that may call the route. */
    access?: 'anyone' | readonly Role[];
  }
  interface FastifyRequest {
    /** Whose token came with the request, or why there is none. */
    caller: Principal | MozaikError;
  }
}

export const ANY_ROLE = ROLES;

/** The caller of a route that asks for a role. */
export function callerOf({ caller }: FastifyRequest): Principal {
  if (caller instanceof MozaikError) throw caller;
  return caller;
}

async function identify(request: FastifyRequest, tokens: Tokens): Promise<Principal | MozaikError> {
  const [scheme, token, ...rest] = (request.headers.authorization ?? '').split(' ');
  if (scheme === '') return new MozaikError('AUTH_MISSING');
  if (scheme.toLowerCase() !== 'bearer' || !token || rest.length > 0) {
    return new MozaikError('AUTH_INVALID', 'expected a bearer token');
  }
  try {
    return await tokens.verify(token);
  } catch (error) {
    if (error instanceof MozaikError) return error;
    throw error;
  }
}

/** Identifies callers before the rate limit counts them. */
export function identifyCallers(app: FastifyInstance, tokens: Tokens): void {
  app.decorateRequest('caller');
  app.addHook('onRequest', async (request) => {
    request.caller = await identify(request, tokens);
  });
}

/** Turns away whoever may not call a route, after the rate limit and before any body is read. */
export function enforceAccess(app: FastifyInstance): void {
  app.addHook('preParsing', (request, _reply, payload, done) => {
    const { access } = request.routeOptions.config;
    if (request.is404 || access === 'anyone') return done(null, payload);
    const { caller } = request;
    if (caller instanceof MozaikError) return done(caller);
    if (!access?.includes(caller.role)) {
      return done(new MozaikError('FORBIDDEN', `not for the role ${caller.role}`));
    }
    done(null, payload);
  });
}
