/**
 * Names of topics and groups, tags and ids: what is allowed, when two are the same, and how a name
 * becomes the name of a folder. The only place that knows these rules; docs/protocol.md, Names,
 * states them for users.
 */
import { Buffer } from 'node:buffer';
import { BadRequestError } from '../errors.js';
import { cached, detached } from './bounded-cache.js';
import { decodePercent } from './percent.js';

export const NAME_BYTES_MAX = 127;
export const TAG_BYTES_MAX = 255;
export const ID_BYTES_MAX = 127;

const NAME = /^[\p{L}\p{M}\p{Nd}._\-:@/+]+$/u;
const NAME_RULE =
  'letters and digits of any script and . _ - : @ / +, at most 127 bytes of UTF-8, not . or ..';
const CONTROL = /[\x00-\x1f\x7f]/;
const VISIBLE = /^[\x21-\x7e\x80-\xff]+$/;
const BYTES_ABOVE_ASCII = /[\x80-\xff]/;
const ABOVE_ASCII = /[^\x00-\x7f]/;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text of a latin1 string of UTF-8 bytes; bytes that are no UTF-8 become U+FFFD. */
export function textOf(latin1: string): string {
  return BYTES_ABOVE_ASCII.test(latin1) ? Buffer.from(latin1, 'latin1').toString() : latin1;
}

/** The UTF-8 bytes of `text`, one char code a byte. */
export function latin1Of(text: string): string {
  return ABOVE_ASCII.test(text) ? Buffer.from(text).toString('latin1') : text;
}

/**
 * The text of a header value that names something: %XX decoded, then UTF-8. Throws BadRequestError
 * when either is malformed.
 */
export function decodeValue(value: string): string {
  const bytes = decodePercent(value);
  if (!BYTES_ABOVE_ASCII.test(bytes)) return bytes;
  try {
    return utf8.decode(Buffer.from(bytes, 'latin1'));
  } catch (cause) {
    throw new BadRequestError('Bad value: a name must be UTF-8', { cause });
  }
}

/** The topic's name as given, when it keeps the rule. Throws BadRequestError. */
export const checkTopicName = cached((name) => checkName('topic', name));

/** The group's name as given, when it keeps the rule. Throws BadRequestError. */
export const checkGroupName = cached((name) => checkName('consume_group', name));

function checkName(kind: string, name: string): string {
  const allowed =
    NAME.test(name) && name !== '.' && name !== '..' && fits(name) && fits(nameKey(name));
  if (!allowed) throw new BadRequestError(`Bad ${kind} "${shown(name)}": must be ${NAME_RULE}`);
  return detached(name);
}

/** The tag's bytes, %XX decoded. Throws BadRequestError. */
export function checkTag(value: string): string {
  const tag = decodePercent(value);
  if (tag.length > TAG_BYTES_MAX || CONTROL.test(tag)) {
    throw new BadRequestError(
      `Bad tag "${shown(textOf(tag))}": must be at most 255 bytes without control characters`,
    );
  }
  return tag;
}

/** The message id as given. Throws BadRequestError. */
export function checkId(id: string): string {
  if (id.length > ID_BYTES_MAX || !VISIBLE.test(id)) {
    throw new BadRequestError(
      `Bad id "${shown(textOf(id))}": must be 1 to 127 bytes without spaces or control characters`,
    );
  }
  return id;
}

/**
 * Two names are the same when their keys are. Folded by upper-casing first, as case-blind file
 * systems do: lower-casing alone would keep ſ and s apart, or ς and σ.
 */
export const nameKey = cached((name) =>
  name.normalize('NFC').toLowerCase().toUpperCase().toLowerCase().normalize('NFC'),
);

/** Devices of Windows, with any extension; the lock file of the data folder; fsck's folder. */
const RESERVED = /^(?:(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)|zbus\.|lost\+found$)/;

/**
 * The folder (or the file, without its extension) of the name with this key. Letters stay as they
 * are, so the folder of a name of 127 bytes has at most 129; what a file system could take amiss
 * becomes a character that no name has: / is written as a comma, : as =, and ~ stands before a name
 * that would be hidden or reserved, and behind one that ends with a dot.
 */
export function folderName(key: string): string {
  const hidden = key.startsWith('.') || RESERVED.test(key);
  const dotted = key.endsWith('.');
  const escaped = key.replaceAll('/', ',').replaceAll(':', '=');
  return `${hidden ? '~' : ''}${escaped}${dotted ? '~' : ''}`;
}

/** The key whose folder this is; of no use when `isFolderName` says no. */
export function nameOfFolder(folder: string): string {
  const escaped = folder.replace(/^~/, '').replace(/~$/, '');
  return escaped.replaceAll(',', '/').replaceAll('=', ':').normalize('NFC');
}

/**
 * True when `folder` is what `folderName` makes of some name; anything else in the data folder is
 * not ours.
 */
export function isFolderName(folder: string): boolean {
  const name = nameOfFolder(folder);
  return NAME.test(name) && nameKey(name) === name && folderName(name) === folder.normalize('NFC');
}

function fits(name: string): boolean {
  return Buffer.byteLength(name) <= NAME_BYTES_MAX;
}

/** What an error quotes: cut, on one line, and without characters that cannot be seen. */
function shown(text: string): string {
  const line = text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '\u{fffd}');
  return line.length > 64 ? `${line.slice(0, 64)}…` : line;
}
