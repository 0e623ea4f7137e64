/**
 * What the zbus command loads before it does anything. Loading takes longer than most commands run,
 * and a shell that completes a line waits for it at every TAB.
 */
import assert from 'node:assert/strict';
import { dirname, posix } from 'node:path';
import ts from 'typescript';
import { isTypeScript, textFiles } from './sources.js';

const texts = new Map(
  textFiles()
    .filter((file) => isTypeScript(file) && file.path.startsWith('src/'))
    .map(({ path, text }) => [path, text]),
);

/** What a file loads with itself: neither types alone nor `await import(…)`. */
export function loadedBy(path: string, text: string): string[] {
  return ts
    .createSourceFile(path, text, ts.ScriptTarget.Latest)
    .statements.flatMap((statement) => {
      const isLoaded =
        (ts.isImportDeclaration(statement) &&
          statement.importClause?.phaseModifier === undefined) ||
        (ts.isExportDeclaration(statement) && !statement.isTypeOnly);
      const from = isLoaded ? statement.moduleSpecifier : undefined;
      return from !== undefined && ts.isStringLiteral(from) ? [from.text] : [];
    })
    .map((name) => {
      if (!name.startsWith('.')) return name;
      return posix.join(dirname(path), name).replace(/\.js$/, '.ts');
    });
}

/** The file, all that it loads, and what these load. */
function loadedWith(entry: string): string[] {
  const reached = new Set([entry]);
  for (const path of reached) {
    for (const next of loadedBy(path, texts.get(path) ?? '')) reached.add(next);
  }
  return [...reached];
}

describe('what the zbus command loads', () => {
  it('is no command before one is named, and no client and broker', () => {
    const allowed =
      /^(node:|commander$|src\/(version|errors|config\/config-error|client\/errors)\.ts$)/;
    const own =
      /^src\/cli\/(main|program|outcome|completion-candidates)\.ts$|^src\/protocol\/[^/]+\.ts$/;
    const loaded = loadedWith('src/cli/main.ts').filter((name) => !allowed.test(name));
    assert.deepEqual(
      loaded.filter((name) => !own.test(name)),
      [],
    );
  });

  it('is no schema, no log and nothing of the broker for commands of the client', () => {
    const brokers = /^(zod|pino|src\/(server|broker|queue|auth|tracker|log|embedded)\b)/;
    for (const name of ['produce', 'consume', 'tail', 'topic', 'group', 'rpc', 'bench']) {
      const loaded = loadedWith(`src/cli/${name}.ts`);
      assert(loaded.includes('src/client/bus.ts'), name);
      assert.deepEqual([name, ...loaded.filter((each) => brokers.test(each))], [name]);
    }
  });

  it('is nothing but the scripts for a shell that starts', () => {
    const loaded = loadedWith('src/cli/completion.ts');
    assert.deepEqual(
      loaded.filter((each) => each.startsWith('src/client/') && !each.endsWith('/errors.ts')),
      [],
    );
  });

  it('the rule itself tells what is loaded from what is not', () => {
    const text = `import type { A } from './a.js'; import { type B, b } from './b.js';
      import 'c'; export { d } from '../d.js'; const e = () => import('./e.js');`;
    assert.deepEqual(loadedBy('src/cli/x.ts', text), ['src/cli/b.ts', 'c', 'src/d.ts']);
  });
});
