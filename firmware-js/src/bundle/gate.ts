/**
 * The gate: what Espruino 2v29 does not do, or does wrongly, found in a file's syntax tree. It judges
 * the sources of the device code, and every bundle as it is written to a board.
 *
 * Globals are an allow-list, since a missing one only shows when its line runs. A function and a
 * variable count as used before their definition wherever that use stands earlier in the file, even
 * within a function that runs later: an order that always works costs nothing.
 */
import ts from 'typescript';

export interface Violation {
  rule: string;
  line: number;
  /** The beginning of the code in question. */
  text: string;
}

const SHOWN = 40;

/** Globals that every engine has and that the core may use. */
export const CORE_GLOBALS: readonly string[] = [
  'DataView',
  'Error',
  'Float64Array',
  'Infinity',
  'Int32Array',
  'Math',
  'NaN',
  'Object',
  'Uint16Array',
  'Uint8Array',
  'undefined',
];

/** What Espruino gives a module besides. */
export const ESPRUINO_GLOBALS: readonly string[] = [
  ...CORE_GLOBALS,
  'Date',
  'E',
  'Function',
  'NRF',
  'Waveform',
  'analogRead',
  'atob',
  'clearInterval',
  'digitalRead',
  'exports',
  'print',
  'process',
  'require',
  'setInterval',
];

/** Names of methods and properties that Espruino does not have, whatever they are called on. */
export const ABSENT_MEMBERS: ReadonlySet<string> = new Set([
  'EPSILON',
  'MAX_SAFE_INTEGER',
  'MIN_SAFE_INTEGER',
  'at',
  'clz32',
  'copyWithin',
  'finally',
  'flat',
  'flatMap',
  'freeze',
  'fround',
  'from',
  'getBigInt64',
  'getBigUint64',
  'groups',
  'imul',
  'isInteger',
  'isSafeInteger',
  'of',
  'replaceAll',
  'sign',
  // Exists, but turns a typed array into a plain one.
  'slice',
  'trunc',
]);

const UNSUPPORTED_SYNTAX = new Map<ts.SyntaxKind, string>([
  [ts.SyntaxKind.AsyncKeyword, 'async'],
  [ts.SyntaxKind.AwaitExpression, 'async'],
  [ts.SyntaxKind.YieldExpression, 'generator'],
  [ts.SyntaxKind.BigIntLiteral, 'BigInt literal'],
  [ts.SyntaxKind.SpreadElement, 'spread'],
  [ts.SyntaxKind.SpreadAssignment, 'spread'],
  [ts.SyntaxKind.ObjectBindingPattern, 'destructuring'],
  [ts.SyntaxKind.ArrayBindingPattern, 'destructuring'],
  [ts.SyntaxKind.PrivateIdentifier, 'private name'],
  [ts.SyntaxKind.LabeledStatement, 'label'],
  [ts.SyntaxKind.ComputedPropertyName, 'computed name'],
  [ts.SyntaxKind.TaggedTemplateExpression, 'tagged template'],
  [ts.SyntaxKind.ClassStaticBlockDeclaration, 'static block'],
  [ts.SyntaxKind.MetaProperty, 'meta property'],
  [ts.SyntaxKind.QuestionDotToken, 'optional chaining'],
  [ts.SyntaxKind.AsteriskAsteriskToken, 'exponent'],
  [ts.SyntaxKind.AsteriskAsteriskEqualsToken, 'exponent'],
  [ts.SyntaxKind.QuestionQuestionEqualsToken, 'logical assignment'],
  [ts.SyntaxKind.BarBarEqualsToken, 'logical assignment'],
  [ts.SyntaxKind.AmpersandAmpersandEqualsToken, 'logical assignment'],
]);

/** Flags other than g, i and m, named groups and look-behind. */
const UNSUPPORTED_EXPRESSION = /\(\?<|\/[gim]*[^gim/][a-z]*$/;

const ALLOWED_IMPORT = /^(\.\.?\/[\w-]+\.ts|@mozaik\/protocol\/envelope)$/;

const isFunction = (node: ts.Node): boolean =>
  ts.isFunctionLike(node) && !ts.isFunctionTypeNode(node) && !ts.isMethodSignature(node);

/** True for an identifier that names a variable, not a property, a type or a declaration. */
function isReference(node: ts.Identifier): boolean {
  const parent = node.parent;
  const names = parent as { name?: ts.Node; propertyName?: ts.Node };
  if (ts.isShorthandPropertyAssignment(parent)) return true;
  if (names.name === node || names.propertyName === node) return false;
  return !ts.isImportSpecifier(parent) && !ts.isExportSpecifier(parent);
}

const isLoopHead = (node: ts.Node): boolean =>
  ts.isForStatement(node) || ts.isForOfStatement(node) || ts.isForInStatement(node);

/** The loop whose head declares this variable, if one does. */
function loopOf(declaration: ts.Node): ts.Node | undefined {
  const list = declaration.parent;
  return ts.isVariableDeclaration(declaration) && isLoopHead(list.parent) ? list.parent : undefined;
}

/** The statement that has to have run before what it declares can be used. */
function statementOf(declaration: ts.Node): ts.Node {
  return ts.isVariableDeclaration(declaration) && !isLoopHead(declaration.parent.parent)
    ? declaration.parent.parent
    : declaration;
}

function isInFunctionWithin(node: ts.Node, outer: ts.Node): boolean {
  for (let at = node.parent; at !== outer; at = at.parent) {
    if (isFunction(at)) return true;
  }
  return false;
}

/** A program of this one file, without libraries: its names are the file's own or globals. */
function parse(source: string): { file: ts.SourceFile; checker: ts.TypeChecker } {
  const name = 'device.ts';
  const file = ts.createSourceFile(name, source, ts.ScriptTarget.Latest, true);
  const host: ts.CompilerHost = {
    getSourceFile: (path) => (path === name ? file : undefined),
    getDefaultLibFileName: () => '',
    writeFile: () => undefined,
    getCurrentDirectory: () => '',
    getCanonicalFileName: (path) => path,
    useCaseSensitiveFileNames: () => true,
    getNewLine: () => '\n',
    fileExists: (path) => path === name,
    readFile: () => undefined,
  };
  const options: ts.CompilerOptions = { noLib: true, noResolve: true, types: [] };
  return { file, checker: ts.createProgram([name], options, host).getTypeChecker() };
}

/**
 * Every place in `source` that a board could not run, or would run wrongly.
 *
 * @param globals names that the code may use without declaring them.
 */
export function violations(source: string, globals: readonly string[]): Violation[] {
  const { file, checker } = parse(source);
  const allowed = new Set(globals);
  const found: Violation[] = [];

  const report = (node: ts.Node, rule: string) => {
    const line = file.getLineAndCharacterOfPosition(node.getStart()).line + 1;
    found.push({ rule, line, text: node.getText().slice(0, SHOWN) });
  };

  const checkReference = (node: ts.Identifier) => {
    const symbol = ts.isShorthandPropertyAssignment(node.parent)
      ? checker.getShorthandAssignmentValueSymbol(node.parent)
      : checker.getSymbolAtLocation(node);
    const declaration = symbol?.declarations?.find((one) => one.getSourceFile() === file);
    if (declaration === undefined) {
      if (!allowed.has(node.text) && node.text !== 'arguments') report(node, 'absent global');
      return;
    }
    const loop = loopOf(declaration);
    if (loop !== undefined && isInFunctionWithin(node, loop)) {
      report(node, 'closure over a loop variable');
    }
    if (
      !ts.isParameter(declaration) &&
      !ts.isImportSpecifier(declaration) &&
      node.pos < statementOf(declaration).getStart()
    ) {
      report(node, 'used before its definition');
    }
  };

  const visit = (node: ts.Node) => {
    if (ts.isTypeNode(node) && !ts.isExpressionWithTypeArguments(node)) return;
    if (ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)) return;
    const rule = UNSUPPORTED_SYNTAX.get(node.kind);
    if (rule !== undefined) report(node, rule);
    if (ts.isParameter(node)) {
      if (node.initializer !== undefined) report(node, 'default parameter');
      if (node.dotDotDotToken !== undefined) report(node, 'rest parameter');
    }
    if (isFunction(node) && (node as ts.FunctionDeclaration).asteriskToken !== undefined) {
      report(node, 'generator');
    }
    if (ts.isForOfStatement(node) && node.awaitModifier !== undefined) report(node, 'async');
    if (
      ts.isBinaryExpression(node) &&
      node.operatorToken.kind === ts.SyntaxKind.EqualsToken &&
      (ts.isArrayLiteralExpression(node.left) || ts.isObjectLiteralExpression(node.left))
    ) {
      report(node, 'destructuring');
    }
    if (
      ts.isHeritageClause(node) &&
      node.token === ts.SyntaxKind.ExtendsKeyword &&
      node.types[0].expression.getText().endsWith('Error')
    ) {
      report(node, 'extends Error');
    }
    if (ts.isIdentifier(node) && isReference(node)) checkReference(node);
    if (ts.isPropertyAccessExpression(node) && ABSENT_MEMBERS.has(node.name.text)) {
      report(node, 'absent member');
    }
    if (ts.isRegularExpressionLiteral(node) && UNSUPPORTED_EXPRESSION.test(node.text)) {
      report(node, 'regular expression');
    }
    if (
      (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) &&
      node.moduleSpecifier !== undefined &&
      !ALLOWED_IMPORT.test((node.moduleSpecifier as ts.StringLiteral).text)
    ) {
      report(node, 'import');
    }
    if (node.kind === ts.SyntaxKind.ImportKeyword && ts.isCallExpression(node.parent)) {
      report(node, 'import');
    }
    if (ts.isEnumDeclaration(node) || ts.isModuleDeclaration(node)) report(node, 'not erasable');
    node.forEachChild(visit);
  };
  visit(file);
  return found;
}

/** A bundle is a script, so a module's own statements are foreign to it too. */
export function bundleViolations(source: string): Violation[] {
  const { file } = parse(source);
  const statements = file.statements.filter(
    (statement) =>
      ts.isImportDeclaration(statement) ||
      ts.isExportDeclaration(statement) ||
      ts.isExportAssignment(statement),
  );
  return [
    ...violations(source, ESPRUINO_GLOBALS),
    ...statements.map((statement) => ({
      rule: 'module statement',
      line: file.getLineAndCharacterOfPosition(statement.getStart()).line + 1,
      text: statement.getText().slice(0, SHOWN),
    })),
  ];
}
