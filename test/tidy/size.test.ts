/** No file, function or line is longer than a reader can hold. */
import assert from 'node:assert/strict';
import ts from 'typescript';
import { isCode, linesWith, type Source, textFiles } from './sources.js';

const FILE_LINES_MAX = 400;
const FUNCTION_LINES_MAX = 70;
const LINE_LENGTH_MAX = 100;

/** The bodies of `describe` are lists of tests, not functions that a reader follows. */
function isSuite(node: ts.Node): boolean {
  const call = node.parent;
  return (
    ts.isCallExpression(call) &&
    ts.isIdentifier(call.expression) &&
    call.expression.text === 'describe'
  );
}

export function longFunctions(path: string, text: string): string[] {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && !isSuite(node)) {
      const first = file.getLineAndCharacterOfPosition(node.getStart(file)).line;
      const last = file.getLineAndCharacterOfPosition(node.end).line;
      const lines = last - first + 1;
      if (lines > FUNCTION_LINES_MAX) found.push(`${path}:${first + 1} has ${lines} lines`);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

/** Where the declaration begins whose last line is `last`. */
function firstLine(lines: readonly string[], last: number): number {
  let first = last;
  while (first > 0 && !/^\s*($|#|\/\/|\w+:$)|[{};]$/.test(lines[first - 1] ?? '')) first--;
  return first;
}

/** C++ as clang-format lays it out: a body closes at the column where its declaration begins. */
export function longNativeFunctions({ path, lines }: Pick<Source, 'path' | 'lines'>): string[] {
  const found: string[] = [];
  for (const [last, line] of lines.entries()) {
    if (!/\)[\w\s:&>,()-]*\{$/.test(line)) continue;
    const first = firstLine(lines, last);
    const indent = /^ */.exec(lines[first] ?? '')?.[0] ?? '';
    const close = new RegExp(`^${indent}\\}`);
    const bodyLines = lines.slice(last + 1).findIndex((later) => close.test(later)) + 1;
    const length = last - first + 1 + bodyLines;
    if (length > FUNCTION_LINES_MAX) found.push(`${path}:${first + 1} has ${length} lines`);
  }
  return found;
}

describe('size', () => {
  const code = textFiles().filter(isCode);

  it(`no file has more than ${FILE_LINES_MAX} lines`, () => {
    const long = code.filter(({ lines }) => lines.length > FILE_LINES_MAX);
    assert.deepEqual(
      long.map(({ path, lines }) => `${path} has ${lines.length}`),
      [],
    );
  });

  it(`no line is longer than ${LINE_LENGTH_MAX}`, () => {
    const long = code.flatMap((source) =>
      linesWith(source, (line) => line.length > LINE_LENGTH_MAX),
    );
    assert.deepEqual(long, []);
  });

  it(`no TypeScript or JavaScript function has more than ${FUNCTION_LINES_MAX} lines`, () => {
    const scripts = code.filter(({ path }) => /\.[mc]?[tj]sx?$/.test(path));
    assert.deepEqual(
      scripts.flatMap(({ path, text }) => longFunctions(path, text)),
      [],
    );
  });

  it(`no C++ function has more than ${FUNCTION_LINES_MAX} lines`, () => {
    const native = code.filter(({ path }) => /\.(cc|h)$/.test(path));
    assert.deepEqual(native.flatMap(longNativeFunctions), []);
  });
});

describe('the measure of functions', () => {
  const body = (count: number): string => '  work();\n'.repeat(count);

  it('counts every kind of TypeScript function', () => {
    const headers = ['function f() {', 'const f = () => {', 'class C { m() {', 'const o = { m() {'];
    const ends = ['}', '};', '} }', '} };'];
    for (const [i, header] of headers.entries()) {
      const text = (lines: number): string => `${header}\n${body(lines - 2)}${ends[i] ?? ''}`;
      assert.equal(longFunctions('x.ts', text(FUNCTION_LINES_MAX)).length, 0, header);
      assert.equal(longFunctions('x.ts', text(FUNCTION_LINES_MAX + 1)).length, 1, header);
    }
  });

  it('counts C++ functions', () => {
    const headers = [
      'void f() {',
      'Status Queue::open(int a) const {',
      'A::A(int a)\n    : a_(a),\n      b_(a) {',
    ];
    for (const header of headers) {
      const bodyLines = (count: number): number => count - header.split('\n').length - 1;
      const lines = (count: number): string[] =>
        `${header}\n${body(bodyLines(count))}}`.split('\n');
      const long = (count: number): string[] =>
        longNativeFunctions({ path: 'x.cc', lines: lines(count) });
      assert.equal(long(FUNCTION_LINES_MAX).length, 0, header);
      assert.equal(long(FUNCTION_LINES_MAX + 1).length, 1, header);
    }
  });
});
