/**
 * The language subset that every device engine runs, as a walk over a file's syntax tree. The rules
 * are the features that Espruino 2v29 lacks or gets wrong.
 */
import ts from 'typescript';

export interface Violation {
  rule: string;
  line: number;
}

/** Names of globals that some engine does not have, or that belong to the adapters. */
const ABSENT_GLOBALS = new Set([
  'AbortController',
  'BigInt',
  'BigInt64Array',
  'BigUint64Array',
  'Buffer',
  'Intl',
  'Map',
  'Proxy',
  'RangeError',
  'Reflect',
  'Set',
  'Symbol',
  'TextDecoder',
  'TextEncoder',
  'URL',
  'WeakMap',
  'WeakRef',
  'WeakSet',
  'atob',
  'btoa',
  'clearInterval',
  'clearTimeout',
  'console',
  'crypto',
  'performance',
  'process',
  'queueMicrotask',
  'require',
  'setInterval',
  'setTimeout',
  'structuredClone',
]);

/** Names of methods and properties that some engine does not have, whatever they are called on. */
const ABSENT_MEMBERS = new Set([
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

const ALLOWED_IMPORT = /^(\.\/[\w-]+\.ts|@mozaik\/protocol\/envelope)$/;

const isFunction = (node: ts.Node): node is ts.FunctionLikeDeclaration =>
  ts.isFunctionLike(node) && !ts.isFunctionTypeNode(node) && !ts.isMethodSignature(node);

/** True for an identifier that names a variable, not a property, a type or a declaration. */
function isReference(node: ts.Identifier): boolean {
  const parent = node.parent;
  return !(
    (ts.isPropertyAccessExpression(parent) && parent.name === node) ||
    (ts.isPropertyAssignment(parent) && parent.name === node) ||
    ((ts.isClassElement(parent) || ts.isTypeElement(parent)) && parent.name === node) ||
    (ts.isVariableDeclaration(parent) && parent.name === node) ||
    (ts.isParameter(parent) && parent.name === node) ||
    ts.isImportSpecifier(parent) ||
    ts.isExportSpecifier(parent)
  );
}

/** Names that a `for` head declares. */
function loopVariables(node: ts.Node): Set<string> {
  const names = new Set<string>();
  if (ts.isForStatement(node) || ts.isForOfStatement(node) || ts.isForInStatement(node)) {
    if (node.initializer !== undefined && ts.isVariableDeclarationList(node.initializer)) {
      for (const { name } of node.initializer.declarations) {
        names.add(name.getText());
      }
    }
  }
  return names;
}

/** Where each function, class and variable of a block is declared, by name. */
function declarationsOf(statements: readonly ts.Statement[]): Map<string, ts.Node> {
  const found = new Map<string, ts.Node>();
  for (const statement of statements) {
    if (ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement)) {
      found.set(statement.name?.text ?? '', statement);
    } else if (ts.isVariableStatement(statement)) {
      for (const { name } of statement.declarationList.declarations) {
        found.set(name.getText(), statement);
      }
    }
  }
  return found;
}

/** Every place in `source` that leaves the subset. */
export function violations(source: string): Violation[] {
  const file = ts.createSourceFile('core.ts', source, ts.ScriptTarget.Latest, true);
  const found: Violation[] = [];

  const report = (node: ts.Node, rule: string) => {
    found.push({ rule, line: file.getLineAndCharacterOfPosition(node.getStart()).line + 1 });
  };

  /** Reports uses of `names` in functions below `node`. */
  const reportCaptured = (node: ts.Node, names: Set<string>, inFunction: boolean) => {
    if (inFunction && ts.isIdentifier(node) && names.has(node.text) && isReference(node)) {
      report(node, 'closure over a loop variable');
    }
    node.forEachChild((child) => {
      reportCaptured(child, names, inFunction || isFunction(node));
    });
  };

  /** Reports uses that stand before the declaration: nothing is hoisted. */
  const reportEarly = (node: ts.Node, declared: Map<string, ts.Node>) => {
    if (ts.isTypeNode(node) || ts.isInterfaceDeclaration(node)) {
      return;
    }
    if (ts.isIdentifier(node) && isReference(node)) {
      const declaration = declared.get(node.text);
      if (declaration !== undefined && node.pos < declaration.getStart()) {
        report(node, 'used before its definition');
      }
    }
    node.forEachChild((child) => {
      reportEarly(child, declared);
    });
  };

  const visit = (node: ts.Node) => {
    if (ts.isTypeNode(node) && !ts.isExpressionWithTypeArguments(node)) {
      return;
    }
    if (ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)) {
      return;
    }
    const rule = UNSUPPORTED_SYNTAX.get(node.kind);
    if (rule !== undefined) {
      report(node, rule);
    }
    if (ts.isParameter(node)) {
      if (node.initializer !== undefined) {
        report(node, 'default parameter');
      }
      if (node.dotDotDotToken !== undefined) {
        report(node, 'rest parameter');
      }
    }
    if (isFunction(node) && 'asteriskToken' in node && node.asteriskToken !== undefined) {
      report(node, 'generator');
    }
    if (ts.isForOfStatement(node) && node.awaitModifier !== undefined) {
      report(node, 'async');
    }
    if (
      ts.isBinaryExpression(node) &&
      node.operatorToken.kind === ts.SyntaxKind.EqualsToken &&
      (ts.isArrayLiteralExpression(node.left) || ts.isObjectLiteralExpression(node.left))
    ) {
      report(node, 'destructuring');
    }
    if (ts.isHeritageClause(node) && node.token === ts.SyntaxKind.ExtendsKeyword) {
      if (/Error$/.test(node.types[0].expression.getText())) {
        report(node, 'extends Error');
      }
    }
    if (ts.isIdentifier(node) && ABSENT_GLOBALS.has(node.text) && isReference(node)) {
      report(node, 'absent global');
    }
    if (ts.isPropertyAccessExpression(node) && ABSENT_MEMBERS.has(node.name.text)) {
      report(node, 'absent member');
    }
    if (
      (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) &&
      node.moduleSpecifier !== undefined &&
      !ALLOWED_IMPORT.test((node.moduleSpecifier as ts.StringLiteral).text)
    ) {
      report(node, 'import');
    }
    if (ts.isEnumDeclaration(node) || ts.isModuleDeclaration(node)) {
      report(node, 'not erasable');
    }
    const captured = loopVariables(node);
    if (captured.size > 0) {
      reportCaptured(node, captured, false);
    }
    if (ts.isSourceFile(node) || ts.isBlock(node)) {
      const declared = declarationsOf(node.statements);
      if (declared.size > 0) {
        reportEarly(node, declared);
      }
    }
    node.forEachChild(visit);
  };
  visit(file);
  return found;
}
