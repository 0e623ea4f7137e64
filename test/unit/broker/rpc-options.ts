/** Limits of calls that no test reaches. For the tests of this folder. */
import type { RpcOptions } from '../../../src/broker/rpc/rpc-calls.js';

export const rpcOptions: RpcOptions = {
  timeoutMs: 10_000,
  callsMax: 10_000,
  bytesMax: 1024 * 1024,
};
