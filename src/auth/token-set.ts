/**
 * The tokens that are in force: finds the grant of a secret. Made of a checked token file by
 * TokenStore, anew for each change of it. Holds hashes of the secrets, and compares each of them in
 * a time that tells nothing of where two differ.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { Buffer } from 'node:buffer';
import { Grant, type GrantDefinition } from './grant.js';

export interface TokenDefinition extends GrantDefinition {
  /** SHA-256 of the secret, in lower-case hex. */
  readonly sha256: string;
}

interface Token {
  readonly hash: Buffer;
  /** All that the file says of it. */
  readonly definition: string;
  readonly grant: Grant;
}

/** Long secrets cannot be tokens, and hashing them would cost their sender nothing. */
const SECRET_CHARS_MAX = 256;

export function sha256Of(secret: string): Buffer {
  return createHash('sha256').update(secret, 'latin1').digest();
}

export class TokenSet {
  readonly #tokens: readonly Token[];
  /**
   * Grants by secrets that were right once, so that they are not hashed for each request; bounded
   * by the number of tokens, since wrong ones are not remembered. A lookup compares hashes of
   * strings first, so its time tells no prefix.
   */
  readonly #known = new Map<string, Grant>();
  /** Takes as long for hashes that differ early as for those that differ late. */
  readonly #isSame: typeof timingSafeEqual;
  /** Grants of the set before that are not in this one. */
  readonly #others: readonly Grant[];

  /** Tokens that stand unchanged in `before` keep their grant. */
  constructor(
    definitions: readonly TokenDefinition[],
    before: TokenSet | null = null,
    isSame: typeof timingSafeEqual = timingSafeEqual,
  ) {
    this.#isSame = isSame;
    const kept = new Map(
      (before === null ? [] : before.#tokens).map((token) => [token.definition, token]),
    );
    this.#tokens = definitions.map((definition) => {
      const { name, sha256, operations, topics, groups } = definition;
      const text = JSON.stringify([name, sha256, operations, topics ?? null, groups ?? null]);
      const same = kept.get(text);
      kept.delete(text);
      const hash = Buffer.from(sha256, 'hex');
      return same ?? { hash, definition: text, grant: new Grant(definition) };
    });
    this.#others = Array.from(kept.values(), ({ grant }) => grant);
  }

  get size(): number {
    return this.#tokens.length;
  }

  /** Ends what the set before allowed and this one does not; call it once this one is in force. */
  revokeOthers(): void {
    for (const grant of this.#others) grant.revoke();
  }

  /** The grant of the token with this secret, or null. */
  find(secret: string): Grant | null {
    const known = this.#known.get(secret);
    if (known !== undefined) return known;
    if (secret.length > SECRET_CHARS_MAX) return null;
    const grant = this.#search(sha256Of(secret));
    if (grant !== null) this.#known.set(secret, grant);
    return grant;
  }

  /** Looks at every token, whichever is the right one. */
  #search(hash: Buffer): Grant | null {
    let found: Grant | null = null;
    for (const token of this.#tokens) {
      if (this.#isSame(token.hash, hash)) found = token.grant;
    }
    return found;
  }
}
