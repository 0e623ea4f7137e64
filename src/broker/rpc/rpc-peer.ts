/**
 * What one session has to do with calls, as a caller and as a service. Made by RpcCalls when it is
 * first needed, forgotten with the session.
 */
import type { Session } from '../session.js';
import type { RpcCall } from './rpc-call.js';
import type { RpcDesk } from './rpc-desk.js';

export class RpcPeer {
  readonly session: Session;
  /** Its calls that no service has yet. */
  readonly queued = new Set<RpcCall>();
  /** Calls of others that are in its hands. */
  readonly held = new Set<RpcCall>();
  /** Whose calls it was given last: where its late answers are counted. */
  servedLast: RpcDesk | null = null;

  constructor(session: Session) {
    this.session = session;
  }
}
