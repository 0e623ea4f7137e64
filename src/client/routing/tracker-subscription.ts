/**
 * The table of servers of one broker, kept up to date over its connection: whole when it begins and
 * on each new link, then as changes. Made by ServerSet for each tracker and each server that the
 * application named.
 */
import { CommandName } from '../../protocol/commands.js';
import { Header } from '../../protocol/headers.js';
import type { Message } from '../../protocol/message.js';
import type { Connection, Stream } from '../connection.js';
import { errorOf } from '../errors.js';
import type { TrackerInfo } from '../info.js';
import { newRequest, readJson } from '../requests.js';

/** After this long a tracker that has refused is asked again. */
const REFUSED_AGAIN_MS = 5000;

export interface TableReader {
  /** A new link: the next table is whole. */
  onBegin(): void;
  onTable(table: TrackerInfo): void;
  /** The tracker does not tell. */
  onRefused(error: Error): void;
}

export class TrackerSubscription implements Stream {
  readonly id: string;
  readonly #connection: Connection;
  readonly #reader: TableReader;
  #stopTimer: (() => void) | null = null;

  constructor(connection: Connection, reader: TableReader) {
    this.id = connection.ids.next();
    this.#connection = connection;
    this.#reader = reader;
    connection.addStream(this);
  }

  close(): void {
    this.#stopTimer?.();
    this.#connection.removeStream(this);
  }

  // ---- for Connection --------------------------------------------------------------------------

  onUp(): void {
    this.#stopTimer?.();
    this.#reader.onBegin();
    const headers = new Map<string, string>([[Header.delta, 'true']]);
    this.#connection.post(newRequest(CommandName.trackSub, this.id, headers));
  }

  onReply(reply: Message): void {
    if (reply.status === 200) {
      this.#reader.onTable(readJson(reply) as TrackerInfo);
      return;
    }
    this.#reader.onRefused(errorOf(reply));
    this.#stopTimer?.();
    this.#stopTimer = this.#connection.options.clock.after(REFUSED_AGAIN_MS, () => {
      this.onUp();
    });
  }

  onDown(): void {
    this.#stopTimer?.();
  }

  /** Nothing of it is in the application's hands. */
  drain(): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  onClosed(): void {
    this.#stopTimer?.();
  }
}
