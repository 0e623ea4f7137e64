/** Commands of the monitor, which the client library has no method for. Rejects with ZbusError. */
import type { Bus } from '../../src/browser.js';
import { namingValue, newRequest, readJson } from '../../src/client/requests.js';
import { latin1Of } from '../../src/protocol/names.js';
import type { Browsed, History } from '../../src/monitor/shapes.js';

export interface BrowseQuery {
  readonly offset?: number | undefined;
  readonly timeMs?: number | undefined;
  readonly backward: boolean;
  readonly limit: number;
  readonly filter: string;
  readonly text: string;
  readonly bodyBytes?: number;
}

export function browse(
  bus: Bus,
  topic: string,
  query: BrowseQuery,
  signal?: AbortSignal,
): Promise<Browsed> {
  const headers = new Map([
    ['topic', latin1Of(topic)],
    ['direction', query.backward ? 'backward' : 'forward'],
    ['limit', String(query.limit)],
    ['ignore_case', 'true'],
  ]);
  if (query.offset !== undefined) headers.set('offset', String(query.offset));
  if (query.timeMs !== undefined) headers.set('time', String(query.timeMs));
  if (query.filter !== '') headers.set('group_filter', namingValue('group_filter', query.filter));
  if (query.text !== '') headers.set('text', namingValue('text', query.text));
  if (query.bodyBytes !== undefined) headers.set('body_bytes', String(query.bodyBytes));
  return ask(bus, 'browse', headers, signal) as Promise<Browsed>;
}

/** Of the server, or of one topic. */
export function history(bus: Bus, topic: string | null): Promise<History> {
  const headers = new Map(topic === null ? [] : [['topic', latin1Of(topic)]]);
  return ask(bus, 'history', headers) as Promise<History>;
}

function ask(
  { client }: Bus,
  cmd: string,
  headers: Map<string, string>,
  signal?: AbortSignal,
): Promise<unknown> {
  const { connection } = client;
  const request = newRequest(cmd, connection.ids.next(), headers);
  const { timeoutMs } = connection.options;
  return connection.call(request, { timeoutMs, signal, onLost: 'resend' }, readJson);
}
