/** `connect` for Node, by every transport that has an address; src/browser.ts has that of pages. */
import { transportOf } from './node-transport.js';
import { type Bus, connectOver } from './bus.js';
import type { ConnectOptions } from './options.js';

/**
 * Connects to a broker: `connect('127.0.0.1:15555')`, `connect('ws://broker.example:15555')`. Of
 * several addresses of one broker the first that answers is taken. Rejects with ConnectionLostError
 * when none does (see `waitForBroker`), with BadRequestError for an address that is none.
 */
export async function connect(
  address: string | readonly string[],
  options: ConnectOptions = {},
): Promise<Bus> {
  const addresses = typeof address === 'string' ? [address] : address;
  return connectOver(
    addresses.map((one) => transportOf(one, options)),
    options,
  );
}
