/**
 * The commands of trackers: track_pub, by which a server tells of itself, track_sub and tracker, by
 * which others learn of all servers. The table itself is Tracker's.
 */
import type { Buffer } from 'node:buffer';
import { BadRequestError } from '../errors.js';
import { CommandName } from '../protocol/commands.js';
import { Header } from '../protocol/headers.js';
import type { Subscriber } from '../tracker/subscriptions.js';
import type { Visibility } from '../tracker/table-json.js';
import type { Tracker } from '../tracker/tracker.js';
import { type Call, JSON_LINES } from './call.js';
import type { Exchange } from './exchange.js';

/** Clients of the family know a push by its command. */
const PUSH_LINES = `cmd: ${CommandName.trackPub}\r\n`;

export function trackPub({ tracker }: { readonly tracker: Tracker }, call: Call): void {
  const { request, session } = call.exchange;
  tracker.publish(request.body, session.remoteAddress);
  call.ok('', '');
}

export function trackerTable({ tracker }: { readonly tracker: Tracker }, call: Call): void {
  call.ok(JSON_LINES, tracker.json(call.grant));
}

/** Answers with the table now and at each change; a URL without an id gets the table once. */
export function trackSub({ tracker }: { readonly tracker: Tracker }, call: Call): void {
  const { exchange } = call;
  if (!call.subscribe()) {
    exchange.answer(200, PUSH_LINES + JSON_LINES, tracker.json(call.grant));
    return;
  }
  const subscriber = new TrackSubscriber(exchange, call.grant, call.flag(Header.delta));
  exchange.session.onEnd(() => {
    tracker.unsubscribe(subscriber);
  });
  tracker.subscribe(subscriber);
}

class TrackSubscriber implements Subscriber {
  readonly reader: Visibility;
  readonly delta: boolean;
  readonly #exchange: Exchange;

  constructor(exchange: Exchange, reader: Visibility, delta: boolean) {
    this.#exchange = exchange;
    this.reader = reader;
    this.delta = delta;
  }

  send(record: Buffer, taken: () => void): void {
    const delivery = { delivered: taken, undelivered: () => undefined };
    this.#exchange.deliver(PUSH_LINES, record, 0, record.length, delivery, true);
  }
}

/** What a broker without topics answers to everything that names one. */
export function noTopics(): BadRequestError {
  return new BadRequestError(
    'This broker is a tracker only and has no topics: ask the servers that it lists',
  );
}
