/**
 * Remembers what a pure function answered for short strings that come again and again, such as
 * names and URLs. Bounded: when it is full it starts anew, so a stream of ever new strings costs no
 * more than no cache.
 */
import { Buffer } from 'node:buffer';

const ENTRIES_MAX = 1024;
const KEY_CHARS_MAX = 256;
const ABOVE_LATIN1 = /[^\x00-\xff]/;

/** `compute`, remembered; what it throws is not. */
export function cached<Value>(compute: (key: string) => Value): (key: string) => Value {
  const known = new Map<string, Value>();
  return (key) => {
    const found = known.get(key);
    if (found !== undefined) return found;
    const value = compute(key);
    if (key.length <= KEY_CHARS_MAX) {
      if (known.size === ENTRIES_MAX) known.clear();
      known.set(detached(key), value);
    }
    return value;
  };
}

/** The same string in memory of its own: a substring keeps the whole text it was cut from alive. */
export function detached(text: string): string {
  const encoding = ABOVE_LATIN1.test(text) ? 'utf16le' : 'latin1';
  return Buffer.from(text, encoding).toString(encoding);
}
