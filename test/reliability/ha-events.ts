/** What the processes of a trial of several servers tell the trial, and are told by it. */

export const CLIENTS = 8;
/** Of the consuming clients so many serve calls too. */
export const SERVICES = 4;
export const CALL_TIMEOUT_MS = 5000;
export const TOPIC = 'crash';
export const GROUP = 'workers';
export const CALLS = 'calc';

export type HaRole = 'produce' | 'consume';

export interface HaSettings {
  readonly role: HaRole;
  readonly trackers: readonly string[];
  readonly seed: number;
}

/** `beganMs` and `atMs`: milliseconds since 1970. */
export type HaEvent =
  | { readonly kind: 'ready' | 'stopped' | 'drained' }
  | {
      readonly kind: 'stored';
      readonly client: number;
      readonly n: number;
      readonly server: string;
      readonly offset: number;
      readonly attempts: number;
      readonly beganMs: number;
      readonly atMs: number;
    }
  | { readonly kind: 'notStored'; readonly client: number; readonly why: string }
  | {
      readonly kind: 'got';
      readonly client: number;
      readonly server: string;
      readonly offset: number;
      readonly producer: number;
      readonly n: number;
      readonly whole: boolean;
      readonly atMs: number;
    }
  | {
      readonly kind: 'called';
      readonly client: number;
      readonly n: number;
      readonly idempotent: boolean;
      readonly outcome: string;
      readonly beganMs: number;
      readonly atMs: number;
    }
  | { readonly kind: 'ran'; readonly client: number; readonly n: number };

export type HaCommand = 'stop' | 'drain' | 'close';

/** From a process of the load to the trial. */
export function tell(event: HaEvent): void {
  process.send?.(event);
}
