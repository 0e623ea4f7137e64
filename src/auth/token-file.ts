/**
 * The file of tokens: its form, what may be in it, and who may read it. Read by TokenStore while
 * the broker runs, written by `zbus token`. Each refusal is a ConfigError of one line that never
 * quotes the file, since that holds secrets.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { nearest } from '../config/nearest.js';
import { ConfigError } from '../config/config-error.js';
import { patternFault } from './name-patterns.js';
import { EVERY_OPERATION, operations } from './operations.js';
import { sha256Of, type TokenDefinition } from './token-set.js';

const FILE_BYTES_MAX = 1024 * 1024;
const OTHERS = 0o077;
const ROOT = 0;

const operationNames: readonly string[] = [EVERY_OPERATION, ...operations];

const name = z.string().regex(/^[A-Za-z0-9._@-]{1,64}$/, {
  error: 'must be 1 to 64 letters, digits and . _ @ -',
});
const operation = z.string().superRefine((value, context) => {
  const fault = operationFault(value);
  if (fault !== null) context.addIssue(fault);
});
const pattern = z.string().superRefine((value, context) => {
  const fault = patternFault(value);
  if (fault !== null) context.addIssue(fault);
});

const tokenSchema = z
  .strictObject({
    name,
    // What a Bearer header can carry (RFC 6750, 2.1); shorter ones can be guessed.
    secret: z
      .string()
      .regex(/^[A-Za-z0-9._~+/-]{16,256}=*$/, {
        error: 'must be 16 to 256 letters, digits and . _ ~ + / -',
      })
      .optional(),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/i, { error: 'must be 64 hex digits' })
      .optional(),
    operations: z.array(operation).min(1, { error: 'must name at least one operation' }),
    topics: z.array(pattern).optional(),
    groups: z.array(pattern).optional(),
  })
  .refine((token) => (token.secret === undefined) !== (token.sha256 === undefined), {
    error: 'must have either secret or sha256',
  });

const fileSchema = z.array(tokenSchema, { error: 'must hold one JSON array of tokens' });

/** A token as it stands in the file. */
export type FileToken = z.output<typeof tokenSchema>;

/** null when the name of a token may be this, else the rule. */
export function nameFault(text: string): string | null {
  return name.safeParse(text).error?.issues[0]?.message ?? null;
}

/** null when it is an operation or `*`, else what is wrong, with the nearest known one. */
export function operationFault(text: string): string | null {
  if (operationNames.includes(text)) return null;
  return `is no operation; the nearest known one is ${nearest(text, operationNames)}`;
}

/**
 * The file's text, if it is its owner's alone, and the owner this user or root. Throws ConfigError.
 */
export function readTokenFile(file: string): string {
  let descriptor: number | null = null;
  try {
    // A FIFO in its place must not stop the process.
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const fault = accessFault(descriptor);
    if (fault !== null) throw new ConfigError(`the token file ${file} ${fault}`);
    return readFileSync(descriptor, 'utf8');
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`cannot read the token file ${file}: ${reason}`);
  } finally {
    if (descriptor !== null) closeSync(descriptor);
  }
}

function accessFault(descriptor: number): string | null {
  const stats = fstatSync(descriptor);
  if (!stats.isFile()) return 'is not a file';
  if (stats.size > FILE_BYTES_MAX) return `is larger than ${FILE_BYTES_MAX} bytes`;
  const user = process.getuid?.();
  if (user === undefined) return null;
  if ((stats.mode & OTHERS) !== 0) {
    const mode = (stats.mode & 0o777).toString(8).padStart(4, '0');
    return `has mode ${mode}, so that others can read or change it: chmod 600 it`;
  }
  if (stats.uid === user || stats.uid === ROOT) return null;
  return `belongs to user ${stats.uid}: it must belong to the broker's user (${user}) or to root`;
}

/** Throws ConfigError. `file` is for the message alone. */
export function parseTokenFile(text: string, file: string): FileToken[] {
  const { data, error } = fileSchema.safeParse(parseJson(text, file));
  const issue = error?.issues[0];
  if (issue !== undefined) throw new ConfigError(`the token file ${file}: ${described(issue)}`);
  const tokens = data ?? [];
  const names = tokens.map((token) => token.name);
  const twice = names.find((each, i) => names.indexOf(each) !== i);
  if (twice !== undefined) throw new ConfigError(`the token file ${file} has two tokens ${twice}`);
  const hashes = tokens.map((token) => definitionOf(token).sha256);
  const same = hashes.findIndex((each, i) => hashes.indexOf(each) !== i);
  if (same === -1) return tokens;
  const first = names[hashes.indexOf(hashes[same] ?? '')];
  throw new ConfigError(`the token file ${file}: ${first} and ${names[same]} have one secret`);
}

export function definitionOf({ secret, sha256, ...rest }: FileToken): TokenDefinition {
  const hash = sha256 ?? sha256Of(secret ?? '').toString('hex');
  return { ...rest, sha256: hash.toLowerCase() };
}

/** What JSON.parse says quotes the text around the fault: only where it is may be told. */
function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const place = /\(line \d+ column \d+\)/.exec(String(error))?.[0];
    throw new ConfigError(`the token file ${file} is not JSON${place ? ` ${place}` : ''}`);
  }
}

function described({ path, message }: z.core.$ZodIssue): string {
  const place = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`));
  return place.length === 0 ? message : `${place.join('').replace(/^\./, '')} ${message}`;
}
