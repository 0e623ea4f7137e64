/**
 * How consume and tail print a message: its body and a line end, its body alone, or as JSON. Used
 * by both, with the options that choose.
 */
import { Buffer } from 'node:buffer';
import type { Command } from 'commander';
import type { StoredMessage } from '../client/stored-message.js';
import { envelopeLine } from './envelope.js';
import { UsageError } from './outcome.js';

export interface FormatFlags {
  readonly json?: boolean;
  readonly raw?: boolean;
}

const LINE_END = Buffer.from('\n');

export function addFormatOptions(command: Command): Command {
  return command
    .option('--json', 'print a JSON object a line, with headers, tag and offset')
    .option('--raw', 'print bodies without a line end between them');
}

/** What is printed of a message. Throws UsageError. */
export function formatOf({
  json = false,
  raw = false,
}: FormatFlags): (message: StoredMessage) => string | Uint8Array {
  if (json && raw) throw new UsageError('--json and --raw: which one?');
  if (json) return envelopeLine;
  if (raw) return (message) => message.bytes;
  return (message) => Buffer.concat([message.bytes, LINE_END]);
}
