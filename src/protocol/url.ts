/**
 * A request as a command: the meaning of its URL, in both dialects of the family (docs/protocol.md,
 * URLs), under its headers. Headers win over the URL. Used by the broker, once a request.
 */
import { Buffer } from 'node:buffer';
import { BadRequestError } from '../errors.js';
import { cached } from './bounded-cache.js';
import { CommandName, isCommandName } from './commands.js';
import { Header } from './headers.js';
import type { Message } from './message.js';
import { decodePercent } from './percent.js';

/** What a URL says; all strings are latin1 of the decoded bytes. */
interface ParsedUrl {
  readonly cmd: string;
  /** Parts of the path. */
  readonly segments: readonly string[];
  /** What path and query say, by header name. */
  readonly params: ReadonlyMap<string, string>;
  /** What the query alone says, as far as it can be passed on as headers. */
  readonly pairs: readonly (readonly [string, string])[];
  readonly body: string | undefined;
  /** The URL without the token that a careless client put into it. */
  readonly shown: string;
}

export class Command {
  /** Lower-case name of a command, or whatever else was asked for. */
  readonly cmd: string;
  /** The message's body, or the one that the URL gives. */
  readonly body: Buffer;
  readonly #own: ReadonlyMap<string, string>;
  readonly #url: ParsedUrl;

  constructor(message: Message, url: ParsedUrl) {
    const { headers, body } = message;
    this.#own = headers;
    this.#url = url;
    this.cmd = headers.get(Header.cmd) ?? url.cmd;
    this.body = url.body === undefined || body.length > 0 ? body : Buffer.from(url.body, 'latin1');
  }

  /** The parameter as latin1 bytes: the header, else what the URL says, else undefined. */
  get(name: string): string | undefined {
    return this.#own.get(name) ?? this.#url.params.get(name);
  }

  /**
   * As `get`, with %XX encoded whether a header or the URL gave it: for what names something, which
   * newer clients encode in headers too, and which names.ts and filter.ts decode.
   */
  encoded(name: string): string | undefined {
    const own = this.#own.get(name);
    if (own !== undefined) return own;
    const value = this.#url.params.get(name);
    // Most values hold none, and a search costs a fraction of a replacement that finds nothing.
    return value?.includes('%') === true ? value.replaceAll('%', '%25') : value;
  }

  /** Headers, and the pairs of the query that no header overrides. */
  get headers(): ReadonlyMap<string, string> {
    const { pairs } = this.#url;
    if (pairs.length === 0) return this.#own;
    const all = new Map(this.#own);
    for (const [name, value] of pairs) if (!all.has(name)) all.set(name, value);
    return all;
  }

  /** Parts of the path: an RPC by URL names topic, module, method and parameters there. */
  get segments(): readonly string[] {
    return this.#url.segments;
  }

  /** First part of a path that names no command where nothing else does: a topic, or a mistake. */
  get pathTopic(): string | undefined {
    const [first] = this.#url.segments;
    const asked = this.#own.has(Header.cmd) || first === undefined || isCommandName(first);
    return !asked && this.cmd === first ? first : undefined;
  }

  /** The URL as others may see it: as sent, without a token. */
  get url(): string {
    return this.#url.shown;
  }
}

/** Throws BadRequestError when the URL is malformed. */
export function parseCommand(message: Message): Command {
  return new Command(message, parseUrl(message.url));
}

const parseUrl = cached((url: string): ParsedUrl => {
  const target = originForm(url);
  const mark = target.indexOf('?');
  const segments = parsePath(mark === -1 ? target : target.slice(0, mark));
  const params = new Map<string, string>();
  const query = mark === -1 ? [] : parseQuery(target.slice(mark + 1));
  const asked = query.find(([name]) => name === Header.cmd)?.[1];
  const cmd = readPath(segments, asked, params);
  for (const [name, value] of query) if (!params.has(name)) params.set(name, value);
  return {
    cmd,
    segments,
    params,
    pairs: query.filter(([, value]) => HEADER_VALUE.test(value)),
    body: params.get(Header.body),
    shown: mark === -1 ? url : url.replace(TOKEN_PAIR, ''),
  };
});

const HEADER_NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
/** Behind the question mark, or behind a pair, with the separators that follow. */
const TOKEN_PAIR =
  /(?<=[?&])(?:t|%[57]4)(?:o|%[46]f)(?:k|%[46]b)(?:e|%[46]5)(?:n|%[46]e)=[^&]*&*/gi;

/** The path and query of any form of request target (RFC 9112, 3.2). */
function originForm(url: string): string {
  if (url.startsWith('/')) return url;
  const match = /^https?:\/\/[^/?]+(.*)$/is.exec(url);
  if (!match) throw new BadRequestError('Bad URL: must begin with / or http://');
  const [, rest = ''] = match;
  return rest.startsWith('/') ? rest : `/${rest}`;
}

function parsePath(path: string): string[] {
  const segments = path.split('/').slice(1);
  if (segments.at(-1) === '') segments.pop();
  return segments.map(decodePercent);
}

/** Pairs in order, each name once; a token is not taken from a URL. */
function parseQuery(query: string): [string, string][] {
  const pairs = new Map<string, string>();
  for (const pair of query.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = decodePercent(equals === -1 ? pair : pair.slice(0, equals)).toLowerCase();
    const value = equals === -1 ? '' : decodePercent(pair.slice(equals + 1));
    if (!HEADER_NAME.test(name)) {
      throw new BadRequestError('Bad URL: the name of a pair must be a header name');
    }
    if (!HEADER_VALUE.test(value) && name !== Header.body) {
      throw new BadRequestError(`Bad URL: ${name} must not hold control characters`);
    }
    if (name !== Header.token && !pairs.has(name)) pairs.set(name, value);
  }
  return [...pairs];
}

/**
 * Tells the dialect, fills in what the path names, and returns the command.
 * `/<cmd>/<topic>/<group>` when the path begins with a command; else `/<topic>/<group>`, the
 * command being `asked` for in the query, or in a header, or unknown.
 */
function readPath(
  segments: readonly string[],
  asked: string | undefined,
  params: Map<string, string>,
): string {
  const [first] = segments;
  if (first === undefined) return asked ?? CommandName.home;
  const named = isCommandName(first);
  const [topic, group] = named ? segments.slice(1) : segments;
  if (topic !== undefined) params.set(Header.topic, topic);
  if (group !== undefined && first !== CommandName.rpc) params.set(Header.consumeGroup, group);
  return named ? first : (asked ?? first);
}
