/** How many calls ended how: counted by RpcDesk for its topic and by RpcCalls for all topics. */

/** What was made of calls since the broker started: each ends in one of the first. */
export interface RpcFigures {
  answeredCount: number;
  timedOutCount: number;
  /** No service was there, or came in time. */
  unservedCount: number;
  /** The service failed with the call in hand. */
  failedCount: number;
  /** The caller was gone before the answer. */
  abandonedCount: number;
  /** Not taken: too many were unanswered. */
  refusedCount: number;
  /** Handed out again, their service having gone. */
  retriedCount: number;
  /** Answers that came when their calls had ended. */
  lateCount: number;
}

/** Nothing has happened yet. */
export function noFigures(): RpcFigures {
  return {
    answeredCount: 0,
    timedOutCount: 0,
    unservedCount: 0,
    failedCount: 0,
    abandonedCount: 0,
    refusedCount: 0,
    retriedCount: 0,
    lateCount: 0,
  };
}
