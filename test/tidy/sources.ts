/**
 * The files that the tidy tests look at: what git would commit, so that build output and data
 * folders stay out.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../', import.meta.url));

export interface Source {
  /** Relative to the repository, with `/`. */
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
}

const CODE = new Set(['.ts', '.tsx', '.js', '.mjs', '.cjs', '.cc', '.h', '.sh']);

/** Every text file of the repository, committed or about to be. */
export function textFiles(): Source[] {
  const listed = execFileSync('git', ['ls-files', '-co', '--exclude-standard', '-z'], {
    cwd: root,
    encoding: 'utf8',
  });
  const paths = listed.split('\0').filter((path) => path !== '' && existsSync(join(root, path)));
  return paths.sort().flatMap((path) => {
    const text = readFileSync(join(root, path), 'utf8');
    const lines = text.replace(/\n$/, '').split('\n');
    return text.includes('\0') ? [] : [{ path, text, lines }];
  });
}

export function isCode({ path }: Source): boolean {
  return CODE.has(extname(path));
}

export function isTypeScript({ path }: Source): boolean {
  return path.endsWith('.ts') || path.endsWith('.tsx');
}

export function readText(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

/** `path:line` of each line that `test` accepts. */
export function linesWith(source: Source, test: (line: string) => boolean): string[] {
  return source.lines.flatMap((line, i) => (test(line) ? [`${source.path}:${i + 1}`] : []));
}
