/**
 * The package's version, from package.json, which lies beside both src and dist. Read once at
 * start.
 */
import { readFileSync } from 'node:fs';

const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

/** Of this package. */
export const version = manifest.version;
