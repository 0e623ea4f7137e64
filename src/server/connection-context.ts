/** What the connections of a listener share. Made by the listener. */
import type { Exchange } from '../broker/exchange.js';
import type { LimitReports } from '../limit-reports.js';
import type { Turn } from '../turn.js';
import type { Connection } from './connection.js';
import type { ServerLimits, ServerTimeouts } from './limits.js';
import type { AccessRules } from './peer-access.js';
import type { PlainLines } from './reply-head.js';
import type { RequestRules } from './request-rules.js';
import type { TimeoutSweep } from './timeout-sweep.js';
import type { WebSocketServer } from 'ws';

/** As pino has them: fields first. */
export interface ServerLog {
  debug(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface ConnectionContext {
  readonly turn: Turn;
  readonly limits: ServerLimits;
  readonly timeouts: ServerTimeouts;
  readonly sweep: TimeoutSweep;
  readonly rules: RequestRules;
  readonly access: AccessRules;
  readonly plainLines: PlainLines;
  readonly reports: LimitReports;
  /** Makes WebSockets of connections that ask for it. */
  readonly webSockets: WebSocketServer;
  /** The same for those that come without a valid token: their messages are kept small. */
  readonly strangerWebSockets: WebSocketServer;
  readonly log: ServerLog;
  /** Takes each request; must not throw. */
  readonly handle: (exchange: Exchange) => void;
  readonly onClose: (connection: Connection) => void;
}
