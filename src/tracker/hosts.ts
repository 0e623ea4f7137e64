/** Hosts that mean something else, or nothing, to other machines. */

const LOOPBACK = /^(localhost|127(\.\d+){3}|::1|::ffff:127(\.\d+){3})$/i;
const LOOPBACK_PEER = /^(in-process$|127\.|\[::1\]|\[::ffff:127\.)/i;
const WILDCARD: ReadonlySet<string> = new Set(['', '0.0.0.0', '::', '::0', '0:0:0:0:0:0:0:0']);

/** This machine, whichever it is. */
export function isLoopbackHost(host: string): boolean {
  return LOOPBACK.test(host);
}

/** A peer, as `address:port`, on this machine. */
export function isLoopbackPeer(peer: string): boolean {
  return LOOPBACK_PEER.test(peer);
}

/** Every address of a machine: one can listen on it, and not connect to it. */
export function isWildcardHost(host: string): boolean {
  return WILDCARD.has(host);
}
