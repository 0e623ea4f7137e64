/**
 * Addresses of brokers as trackers and lists of servers write them: `host:port`, with `[SSL]`
 * before it when the port speaks TLS. Pure; used by tracker and client.
 */
import { BadRequestError } from '../errors.js';

export interface ServerAddress {
  /** `host:port`. */
  readonly address: string;
  readonly sslEnabled: boolean;
}

const SSL = '[SSL]';
const ADDRESS = /^(\[ssl\])?((?:\[[0-9a-f:.]+\]|[a-z0-9._-]+):([0-9]{1,5}))$/i;
const ADDRESS_CHARS_MAX = 270;

/** Throws BadRequestError. Letters become lower-case: hosts are the same without regard to case. */
export function parseServerAddress(text: string): ServerAddress {
  const match = text.length > ADDRESS_CHARS_MAX ? null : ADDRESS.exec(text);
  const port = Number(match?.[3]);
  const address = match?.[2];
  if (address === undefined || port < 1 || port > 65535) {
    const shown = JSON.stringify(text.slice(0, 64));
    throw new BadRequestError(
      `Bad server address ${shown}: must be host:port, such as mq.example.com:15555, with [SSL] ` +
        'before it where the port speaks TLS',
    );
  }
  return { address: address.toLowerCase(), sslEnabled: match?.[1] !== undefined };
}

/** As tables of servers have it. */
export function serverAddressText({ address, sslEnabled }: ServerAddress): string {
  return (sslEnabled ? SSL : '') + address.toLowerCase();
}

/** The host of an address that parseServerAddress has taken, without the brackets of IPv6. */
export function hostOfAddress({ address }: ServerAddress): string {
  return address.slice(0, address.lastIndexOf(':')).replace(/^\[|\]$/g, '');
}
