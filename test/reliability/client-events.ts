/**
 * What the processes of client-load.ts tell the trial that started them, and what it tells them.
 */

/** Clients of each process; all of one produce and call, all of the other consume. */
export const CLIENTS = 8;
/** How many of those that consume serve, too. */
export const SERVICES = 4;
/** In which a call is answered or fails. */
export const CALL_TIMEOUT_MS = 2500;

export type LoadRole = 'produce' | 'consume';

export interface LoadSettings {
  readonly role: LoadRole;
  readonly address: string;
  /** Of the payloads. */
  readonly seed: number;
}

/** Times are milliseconds since 1970, so that those of several processes can be compared. */
export type LoadEvent =
  /** All clients are connected, and the consumers' group is there. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'lost'; readonly bus: number; readonly atMs: number }
  | StoredEvent
  | {
      readonly kind: 'notStored';
      readonly producer: number;
      readonly n: number;
      readonly why: string;
    }
  | GotEvent
  | { readonly kind: 'acked'; readonly offset: number }
  /** A service has begun to run a call. */
  | { readonly kind: 'ran'; readonly caller: number; readonly n: number }
  | CalledEvent
  /** All that was begun is answered; `depth` is that of the topic. */
  | { readonly kind: 'stopped'; readonly depth: number }
  /** The group has nothing left. */
  | { readonly kind: 'drained' };

/** A produce was answered. */
export interface StoredEvent {
  readonly kind: 'stored';
  readonly producer: number;
  readonly n: number;
  readonly id: string;
  readonly offset: number;
  readonly attempts: number;
  readonly beganMs: number;
  readonly atMs: number;
}

/** A consumer was handed a message. */
export interface GotEvent {
  readonly kind: 'got';
  readonly consumer: number;
  readonly id: string;
  readonly offset: number;
  readonly producer: number;
  readonly n: number;
  /** How often it was handed out before. */
  readonly retry: number;
  /** It has the bytes that were sent. */
  readonly whole: boolean;
  readonly atMs: number;
}

/** A call has ended. */
export interface CalledEvent {
  readonly kind: 'called';
  readonly caller: number;
  readonly n: number;
  readonly idempotent: boolean;
  /** `done`, the name of the error, or what was wrong with the result. */
  readonly outcome: string;
  readonly tookMs: number;
  readonly atMs: number;
}

/** Tells it to the trial. */
export function tell(event: LoadEvent): void {
  process.send?.(event);
}

/** Produce no more; wait until the group is empty; end. */
export type LoadCommand = 'stop' | 'drain' | 'close';
