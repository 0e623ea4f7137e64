/** A token file of a test, in a folder of its own that goes when the test ends. */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempFolder } from './temp-folder.js';

export interface TestToken {
  readonly name: string;
  readonly secret: string;
  readonly operations: readonly string[];
  readonly topics?: readonly string[];
  readonly groups?: readonly string[];
}

/** A secret that can be told from all others, and from the name. */
export function secretOf(name: string): string {
  return `${Buffer.from(`for ${name} alone`).toString('base64url')}-0123456789`;
}

export function token(
  name: string,
  operations: readonly string[],
  limits: Pick<TestToken, 'topics' | 'groups'> = {},
): TestToken {
  return { name, secret: secretOf(name), operations, ...limits };
}

export function tokenFile(tokens: readonly TestToken[]): string {
  const file = join(tempFolder(), 'tokens.json');
  writeFileSync(file, JSON.stringify(tokens), { mode: 0o600 });
  return file;
}

/** Replaces the file as an editor does: another file takes its name. */
export function replaceTokens(file: string, tokens: readonly TestToken[]): void {
  writeFileSync(`${file}.other`, JSON.stringify(tokens), { mode: 0o600 });
  renameSync(`${file}.other`, file);
}
