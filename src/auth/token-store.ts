/**
 * The tokens of a running broker: reads their file, reads it again each second and when it is told
 * to, and says whose a request is. Made by Server when a token file is configured. Promises that a
 * file which cannot be used changes nothing: the tokens before stay in force.
 */
import type { Clock } from '../clock.js';
import type { Log } from '../log.js';
import type { Message } from '../protocol/message.js';
import { credentialOf } from './credentials.js';
import type { Grant } from './grant.js';
import { definitionOf, parseTokenFile, readTokenFile } from './token-file.js';
import { TokenSet } from './token-set.js';

/**
 * The whole file is read that often: it is small, and no way to be told of changes sees all of
 * them (a rename, a link that points elsewhere, a file system on the network).
 */
const CHECK_INTERVAL_MS = 1000;

export class TokenStore {
  readonly #file: string;
  readonly #log: Log;
  #tokens: TokenSet;
  /** Of the file, when it could last be read. */
  #text: string;
  /** Why it could not be used when it was last looked at. */
  #fault: string | null = null;
  readonly #stop: () => void;

  /** Throws ConfigError when the file cannot be used. */
  constructor(file: string, clock: Clock, log: Log) {
    this.#file = file;
    this.#log = log;
    this.#text = readTokenFile(file);
    this.#tokens = tokensOf(this.#text, file, null);
    this.#stop = clock.every(CHECK_INTERVAL_MS, () => {
      this.reload();
    });
  }

  close(): void {
    this.#stop();
  }

  /** The grant of the token with this secret, or null. */
  find(secret: string): Grant | null {
    return this.#tokens.find(secret);
  }

  /** null when the request carries a token that is none, undefined when it carries nothing. */
  identify(headers: Message['headers']): Grant | null | undefined {
    const credential = credentialOf(headers);
    return credential === undefined ? undefined : this.#tokens.find(credential);
  }

  /** Puts what the file says now into force; ends the connections of tokens that are gone. */
  reload(): void {
    try {
      const text = readTokenFile(this.#file);
      if (text !== this.#text) this.#replace(text);
      this.#fault = null;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (reason !== this.#fault) this.#log.error({ reason }, 'the tokens before stay in force');
      this.#fault = reason;
    }
  }

  #replace(text: string): void {
    this.#text = text;
    this.#tokens = tokensOf(text, this.#file, this.#tokens);
    this.#tokens.revokeOthers();
    this.#log.info({ file: this.#file, tokens: this.#tokens.size }, 'tokens reloaded');
  }
}

function tokensOf(text: string, file: string, before: TokenSet | null): TokenSet {
  return new TokenSet(parseTokenFile(text, file).map(definitionOf), before);
}
