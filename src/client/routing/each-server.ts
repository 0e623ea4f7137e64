/**
 * One child for each server that is chosen: a consumer or a processor. Opens it when the server
 * joins, forgets it when the server leaves, and opens it again where it ended, when there is hope.
 * Owned by RoutedConsumer and RoutedProcessor. Promises at most one child a server at a time.
 */
import { NotFoundError } from '../../errors.js';
import type { Bus } from '../bus.js';
import { startTimer } from '../timer.js';
import { isChosenBy, type ServerChoice } from './on-servers.js';
import type { RoutedServer } from './route-table.js';
import type { ServerSet } from './server-set.js';

/** After this long a server that has refused is asked again. */
const REFUSED_AGAIN_MS = 5000;

export interface EachServerOptions<Child> {
  readonly topic: string;
  /** Default: all. */
  readonly servers: ServerChoice | undefined;
  /** Makes the child, which begins at once. */
  open(server: RoutedServer, bus: Bus): Child;
  /** No chosen server is left that has not failed; `error` is that of the last one. */
  onAllFailed(error: Error): void;
  /** The client is being closed, and each child with its connection. */
  onClosing(): void;
}

/** A server at which the child has ended. */
interface Failure {
  readonly error: Error;
  /** When the topic was made that was removed, as far as it was known; null: it was not. */
  readonly createdTime: number | null;
  readonly stopTimer: () => void;
}

export class EachServer<Child> {
  readonly #set: ServerSet;
  readonly #options: EachServerOptions<Child>;
  readonly #isChosen: (server: RoutedServer) => boolean;
  readonly #children = new Map<string, Child>();
  readonly #failures = new Map<string, Failure>();
  #stops: (() => void)[] = [];

  /** Throws BadRequestError. */
  constructor(set: ServerSet, options: EachServerOptions<Child>) {
    this.#set = set;
    this.#options = options;
    this.#isChosen = isChosenBy(options.servers);
  }

  get children(): IterableIterator<Child> {
    return this.#children.values();
  }

  start(): void {
    this.#stops = [
      this.#set.on('serverJoined', (server) => {
        this.#open(server);
      }),
      this.#set.on('serverLeft', ({ key }) => {
        this.#forget(key);
      }),
      this.#set.on('routes', () => {
        this.#openFound();
      }),
      this.#set.on('closing', () => {
        this.#options.onClosing();
      }),
    ];
    for (const server of this.#set.servers) this.#open(server);
    if (this.#set.closing) this.#options.onClosing();
  }

  /** Follows the servers no more; children stay as they are. */
  stop(): void {
    for (const stop of this.#stops) stop();
    this.#stops = [];
    for (const { stopTimer } of this.#failures.values()) stopTimer();
    this.#failures.clear();
  }

  /** The child has ended as it should. */
  ended(child: Child): void {
    const key = this.#keyOf(child);
    if (key !== null) this.#children.delete(key);
  }

  /** The child has ended: it is made again once its topic is there again, or after a while. */
  failed(child: Child, error: Error): void {
    const key = this.#keyOf(child);
    if (key === null) return;
    this.#children.delete(key);
    const isMissing = error instanceof NotFoundError;
    const { topic } = this.#options;
    const stopTimer = isMissing
      ? (): void => undefined
      : startTimer(this.#set.clock, REFUSED_AGAIN_MS, () => {
          this.#openAgain(key);
        });
    const createdTime = this.#set.routes.at(topic).get(key)?.topic.createdTime ?? null;
    this.#failures.set(key, { error, createdTime, stopTimer });
    if (!isMissing) this.#set.refused(key, error);
    const chosen = this.#set.servers.filter(this.#isChosen);
    if (chosen.every((server) => this.#failures.has(server.key))) this.#options.onAllFailed(error);
  }

  // ----------------------------------------------------------------------------------------------

  #keyOf(child: Child): string | null {
    for (const [key, known] of this.#children) if (known === child) return key;
    return null;
  }

  #open(server: RoutedServer): void {
    if (this.#children.has(server.key) || !this.#isChosen(server) || this.#set.closing) return;
    this.#children.set(server.key, this.#options.open(server, this.#set.bus(server)));
  }

  #forget(key: string): void {
    this.#children.delete(key);
    this.#failures.get(key)?.stopTimer();
    this.#failures.delete(key);
  }

  #openAgain(key: string): void {
    this.#failures.delete(key);
    const server = this.#set.routes.servers.get(key);
    if (server !== undefined) this.#open(server);
  }

  /** Where the topic was removed, and has been made anew since. */
  #openFound(): void {
    const routes = this.#set.routes.at(this.#options.topic);
    for (const [key, { error, createdTime }] of [...this.#failures]) {
      const found = routes.get(key)?.topic.createdTime;
      if (!(error instanceof NotFoundError) || found === undefined) continue;
      if (found !== createdTime) this.#openAgain(key);
    }
  }
}
