/**
 * Names of the headers that mean something to zbus (docs/protocol.md), lower-case as they travel,
 * and which headers of a producer reach the consumer.
 */

export const Header = {
  ack: 'ack',
  ackLevel: 'ack_level',
  body: 'body',
  bodyBytes: 'body_bytes',
  cmd: 'cmd',
  consumeGroup: 'consume_group',
  contentLength: 'content-length',
  contentType: 'content-type',
  delay: 'delay',
  deadAttempts: 'dead_attempts',
  deadReason: 'dead_reason',
  delta: 'delta',
  direction: 'direction',
  errorCode: 'error_code',
  groupAckTimeout: 'group_ack_timeout',
  groupAckWindow: 'group_ack_window',
  groupDeadTopic: 'group_dead_topic',
  groupFilter: 'group_filter',
  groupMask: 'group_mask',
  groupMaxAttempts: 'group_max_attempts',
  groupNameAuto: 'group_name_auto',
  groupStartCopy: 'group_start_copy',
  groupStartMsgid: 'group_start_msgid',
  groupStartOffset: 'group_start_offset',
  groupStartTime: 'group_start_time',
  host: 'host',
  id: 'id',
  idempotent: 'idempotent',
  ignoreCase: 'ignore_case',
  lastEventId: 'last-event-id',
  limit: 'limit',
  module: 'module',
  offset: 'offset',
  offsets: 'offsets',
  originGroup: 'origin_group',
  originId: 'origin_id',
  originMethod: 'origin_method',
  originOffset: 'origin_offset',
  originStatus: 'origin_status',
  originTopic: 'origin_topic',
  originUrl: 'origin_url',
  prefetch: 'prefetch',
  recver: 'recver',
  retentionAgeMs: 'retention_age_ms',
  retentionBytes: 'retention_bytes',
  retentionConsumed: 'retention_consumed',
  retry: 'retry',
  sender: 'sender',
  server: 'server',
  tag: 'tag',
  text: 'text',
  time: 'time',
  timeout: 'timeout',
  timestamp: 'timestamp',
  token: 'token',
  topic: 'topic',
  topicMask: 'topic_mask',
  wait: 'wait',
} as const;

/**
 * Headers of a producer that no consumer gets: those the broker writes itself, those that only
 * address the broker, secrets, those that speak of one connection (RFC 9110, 7.6.1), and those by
 * which a server, and no producer, tells a browser what to do.
 */
const KEPT_BACK: ReadonlySet<string> = new Set([
  Header.consumeGroup,
  Header.contentLength,
  Header.deadAttempts,
  Header.deadReason,
  Header.host,
  Header.id,
  Header.offset,
  Header.originGroup,
  Header.originId,
  Header.originMethod,
  Header.originOffset,
  Header.originStatus,
  Header.originTopic,
  Header.originUrl,
  Header.retry,
  Header.sender,
  Header.tag,
  Header.timestamp,
  Header.topic,

  Header.ack,
  Header.ackLevel,
  Header.cmd,
  Header.recver,

  Header.token,
  'authorization',
  'cookie',
  'proxy-authorization',

  'connection',
  'expect',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',

  'alt-svc',
  'clear-site-data',
  'content-security-policy',
  'date',
  'refresh',
  'set-cookie',
  'strict-transport-security',
  'vary',
  'www-authenticate',
  'x-content-type-options',
]);
/** Which sites may read a reply is for the server to say. */
const KEPT_BACK_PREFIX = 'access-control-';

/** True when the producer's header `name` is handed to consumers. */
export function isPassedOn(name: string): boolean {
  return !KEPT_BACK.has(name) && !name.startsWith(KEPT_BACK_PREFIX);
}
