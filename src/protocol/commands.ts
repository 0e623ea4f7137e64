/**
 * Names of the commands of the zbus family (docs/protocol.md, Commands). Used by url.ts to tell a
 * command from a topic in a path, and by the broker's table; a name here need not be served by this
 * version.
 */

export const CommandName = {
  produce: 'produce',
  consume: 'consume',
  unconsume: 'unconsume',
  ack: 'ack',
  nack: 'nack',
  renew: 'renew',
  redrive: 'redrive',
  declare: 'declare',
  query: 'query',
  remove: 'remove',
  empty: 'empty',
  rpc: 'rpc',
  route: 'route',
  server: 'server',
  tracker: 'tracker',
  trackSub: 'track_sub',
  trackPub: 'track_pub',
  ssl: 'ssl',
  ping: 'ping',
  heartbeat: 'heartbeat',
  monitor: 'monitor',
  history: 'history',
  browse: 'browse',
  metrics: 'metrics',
  health: 'health',
  ready: 'ready',
  login: 'login',
  logout: 'logout',
  /** `GET /`: the page. */
  home: '',
} as const;

const names: ReadonlySet<string> = new Set(Object.values(CommandName));

export function isCommandName(name: string): boolean {
  return names.has(name);
}
