/** The OpenAPI description and a page to read it with, under /docs. Nothing comes from elsewhere. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';

/** Swagger UI as its package ships it. */
const ASSETS = join(
  dirname(createRequire(import.meta.url).resolve('@fastify/swagger-ui/package.json')),
  'static',
);
const SCRIPT = 'swagger-ui-bundle.js';
const STYLE = 'swagger-ui.css';

const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <title>MOZAIK backend</title>
    <link rel="stylesheet" href="/docs/${STYLE}" />
  </head>
  <body>
    <div id="page"></div>
    <script src="/docs/${SCRIPT}"></script>
    <script src="/docs/start.js"></script>
  </body>
</html>
`;
const START = `SwaggerUIBundle({ url: '/docs/json', dom_id: '#page' });\n`;

/** Scripts of this origin only; Swagger UI styles elements inline and draws its icons as data. */
const POLICY =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; " +
  "base-uri 'none'; frame-ancestors 'none'";

/** Has to come before the routes that it describes. */
export async function addDocumentation(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      info: {
        title: 'MOZAIK backend',
        description: 'Stores what it cannot read, and schedules computations on it.',
        version: '1',
      },
      components: {
        securitySchemes: { token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
      },
      security: [{ token: [] }],
    },
  });
  const serve = (path: string, type: string, content: () => object | string | Promise<Buffer>) =>
    app.get(path, { schema: { hide: true } }, async (_request, reply) =>
      reply
        .type(type)
        .header('content-security-policy', POLICY)
        .send(await content()),
    );
  serve('/docs', 'text/html; charset=utf-8', () => PAGE);
  serve('/docs/json', 'application/json; charset=utf-8', () => app.swagger());
  serve('/docs/start.js', 'text/javascript; charset=utf-8', () => START);
  serve(`/docs/${SCRIPT}`, 'text/javascript; charset=utf-8', () => readFile(join(ASSETS, SCRIPT)));
  serve(`/docs/${STYLE}`, 'text/css; charset=utf-8', () => readFile(join(ASSETS, STYLE)));
}
