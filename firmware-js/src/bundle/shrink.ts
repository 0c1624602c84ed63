/**
 * Makes a script small for a board: sentences for people become numbers, members that nothing uses go,
 * `this` gets a short name, and the names that are nobody else's become one letter.
 */
import { minify, type MinifyOptions } from 'terser';
import ts from 'typescript';
import { ABSENT_MEMBERS } from './gate.ts';
import { PLATFORM_NAMES } from './names.ts';

/** How often `this` must stand in a method before a short name for it saves anything. */
const ALIAS_FROM = 4;
/** Two words. */
const SENTENCE = /\w \w/;
/** Nothing else is called so. */
const ALIAS = 'self$';

interface Edit {
  start: number;
  end: number;
  text: string;
}

function apply(source: string, edits: Edit[]): string {
  return edits
    .sort((x, y) => y.start - x.start)
    .reduce(
      (text, { start, end, text: by }) => text.slice(0, start) + by + text.slice(end),
      source,
    );
}

function walk(node: ts.Node, see: (node: ts.Node) => void): void {
  see(node);
  node.forEachChild((child) => {
    walk(child, see);
  });
}

const parse = (source: string): ts.SourceFile =>
  ts.createSourceFile('script.js', source, ts.ScriptTarget.Latest, true);

/**
 * Replaces each sentence, a literal with two words, by `#` and its number.
 *
 * @param messages the sentences by number; appended to.
 */
export function numberMessages(source: string, messages: string[]): string {
  const edits: Edit[] = [];
  walk(parse(source), (node) => {
    if (!ts.isStringLiteral(node) || !SENTENCE.test(node.text)) return;
    let number = messages.indexOf(node.text);
    if (number < 0) number = messages.push(node.text) - 1;
    edits.push({ start: node.getStart(), end: node.end, text: `"#${number}"` });
  });
  return apply(source, edits);
}

/** The sentence that `#` numbers of a board's message stand for. */
export function readMessage(text: string, messages: readonly string[]): string {
  return text.replace(/#(\d+)/g, (whole, number) => messages[Number(number)] ?? whole);
}

/** Removes methods whose name occurs nowhere else, again and again. */
function dropUnused(source: string, kept: ReadonlySet<string>): string {
  for (;;) {
    const file = parse(source);
    const uses = new Map<string, number>();
    const methods: ts.MethodDeclaration[] = [];
    walk(file, (node) => {
      if (ts.isIdentifier(node)) uses.set(node.text, (uses.get(node.text) ?? 0) + 1);
      if (ts.isMethodDeclaration(node) && ts.isIdentifier(node.name)) methods.push(node);
    });
    const edits = methods
      .map((method) => ({ method, name: method.name.getText() }))
      .filter(({ name }) => uses.get(name) === 1 && !kept.has(name))
      .map(({ method }) => ({ start: method.getFullStart(), end: method.end, text: '' }));
    if (edits.length === 0) return source;
    source = apply(source, edits);
  }
}

/** The `this` of a method's own body, arrow functions included. */
function thisWithin(body: ts.Node): ts.Node[] {
  const found: ts.Node[] = [];
  const visit = (node: ts.Node) => {
    if (node.kind === ts.SyntaxKind.ThisKeyword) found.push(node);
    if (!ts.isFunctionExpression(node) && !ts.isClassLike(node)) node.forEachChild(visit);
  };
  visit(body);
  return found;
}

function aliasThis(source: string): string {
  const edits: Edit[] = [];
  walk(parse(source), (node) => {
    if (!ts.isMethodDeclaration(node) && !ts.isConstructorDeclaration(node)) return;
    const body = node.body;
    if (body === undefined) return;
    const places = thisWithin(body);
    if (places.length < ALIAS_FROM) return;
    edits.push({
      start: body.getStart() + 1,
      end: body.getStart() + 1,
      text: `let ${ALIAS}=this;`,
    });
    for (const place of places) {
      edits.push({ start: place.getStart(), end: place.end, text: ALIAS });
    }
  });
  return apply(source, edits);
}

/** Frequent phrases become calls of these, and so do functions of `Math`. */
const HELPERS: Record<string, string> = {
  fail$: 'function fail$(text) { throw new Error(text); }',
  bytes$: 'function bytes$(from) { return new Uint8Array(from); }',
};
/** How often a function of `Math` must be called before a name of its own saves anything. */
const MATH_FROM = 3;

/** Replaces `throw new Error(...)` and other frequent phrases by calls of the helpers. */
function shorten(source: string): string {
  const edits: Edit[] = [];
  const math = new Map<string, ts.Node[]>();
  walk(parse(source), (node) => {
    if (ts.isNewExpression(node) && node.expression.getText() === 'Uint8Array') {
      edits.push({ start: node.getStart(), end: node.expression.end, text: 'bytes$' });
    }
    if (ts.isPropertyAccessExpression(node) && node.expression.getText() === 'Math') {
      const name = node.name.text;
      math.set(name, [...(math.get(name) ?? []), node]);
    }
    if (
      ts.isThrowStatement(node) &&
      ts.isNewExpression(node.expression) &&
      node.expression.expression.getText() === 'Error'
    ) {
      const [message] = node.expression.arguments ?? [];
      edits.push({ start: node.getStart(), end: message.getStart(), text: 'fail$(' });
    }
  });
  const frequent = [...math].filter(([, places]) => places.length >= MATH_FROM);
  for (const [name, places] of frequent) {
    edits.push(
      ...places.map((node) => ({ start: node.getStart(), end: node.end, text: `${name}$` })),
    );
  }
  const short = apply(source, edits);
  const helpers = [
    ...Object.keys(HELPERS)
      .filter((name) => short.includes(name))
      .map((name) => HELPERS[name]),
    ...frequent.map(([name]) => `const ${name}$ = Math.${name};`),
  ];
  return helpers.map((helper) => helper + '\n').join('') + short;
}

/** After minifying: nothing assigns to a constant, so a variable does as well, and two join. */
const withoutConst = (source: string): string =>
  source.replace(/\bconst /g, 'let ').replace(/=this;let /g, '=this,');

/** Names that are written as strings, as `hide` does, and so cannot change. */
function quotedNames(source: string): string[] {
  const names: string[] = [];
  walk(parse(source), (node) => {
    if (ts.isStringLiteral(node)) names.push(node.text);
  });
  return names;
}

export interface ShrinkOptions {
  /** Names of properties that people or tests use. */
  publicNames: readonly string[];
  /** Collects the sentences, see {@link numberMessages}. */
  messages: string[];
}

const OPTIONS: MinifyOptions = {
  ecma: 2015,
  toplevel: true,
  compress: {
    passes: 4,
    toplevel: true,
    // A hoisted function or variable is not there yet on Espruino.
    hoist_funs: false,
    hoist_vars: false,
    unsafe_arrows: true,
    pure_getters: true,
    keep_fargs: false,
  },
  mangle: { toplevel: true },
};

export async function shrink(source: string, options: ShrinkOptions): Promise<string> {
  const { publicNames, messages } = options;
  const numbered = numberMessages(source, messages);
  const reserved = [...PLATFORM_NAMES, ...ABSENT_MEMBERS, ...publicNames, ...quotedNames(numbered)];
  const ready = aliasThis(shorten(dropUnused(numbered, new Set(reserved))));
  const { code: once = '' } = await minify(ready, {
    ...OPTIONS,
    mangle: { toplevel: true, properties: { builtins: true, reserved } },
  });
  // Once more: declarations that were of two kinds are now of one, and join.
  const { code: twice = '' } = await minify(withoutConst(once), OPTIONS);
  return withoutConst(twice);
}
