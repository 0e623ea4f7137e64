/** Options that say who may reach the broker. */
import { GIB, KIB } from './sizes.js';
import { list, onOff, optionInfos, size, textOrNone } from './values.js';

const HOST = /^[a-z0-9._-]+$/i;
const ORIGIN = /^https?:\/\/[a-z0-9.:[\]_-]+$/i;

export const securityOptions = {
  tokenFile: textOrNone()
    .default(null)
    .register(optionInfos, {
      group: 'Security',
      placeholder: 'file',
      description:
        'JSON file of the tokens that let requests in, made by zbus token; without it everyone ' +
        'who reaches the port may do everything',
      example: '/etc/zbus/tokens.json',
    }),
  allowUnauthenticated: onOff().default(false).register(optionInfos, {
    group: 'Security',
    description: 'start on an address that others can reach though there is no tokenFile',
    example: 'true',
  }),
  unauthenticatedBodyBytesMax: size(0, GIB)
    .default(16 * KIB)
    .register(optionInfos, {
      group: 'Security',
      placeholder: 'size',
      description:
        'size of a body without a valid token, where there is a tokenFile; beyond it 413',
      example: '4KiB',
    }),
  allowedHosts: list(HOST, 'must be host names between commas, such as zbus.example.com')
    .default([])
    .register(optionInfos, {
      group: 'Security',
      placeholder: 'names',
      description:
        'names besides localhost, serverName and IP addresses under which requests may reach the ' +
        'broker; a request with another Host is answered 421',
      example: 'zbus,zbus.example.com',
    }),
  allowedOrigins: list(ORIGIN, 'must be origins between commas, such as https://app.example.com')
    .default([])
    .register(optionInfos, {
      group: 'Security',
      placeholder: 'origins',
      description:
        'pages of other sites that may use the broker from a browser; those of any other are ' +
        'answered 403',
      example: 'https://app.example.com',
    }),
  sslEnabled: onOff().default(false).register(optionInfos, {
    group: 'Security',
    description: 'the port speaks TLS 1.2 or 1.3, and nothing else',
    example: 'true',
  }),
  serverCertFile: textOrNone().default(null).register(optionInfos, {
    group: 'Security',
    placeholder: 'file',
    description: 'certificate of the server in PEM, with those that lead to its root behind it',
    example: '/etc/zbus/server.crt',
  }),
  serverKeyFile: textOrNone().default(null).register(optionInfos, {
    group: 'Security',
    placeholder: 'file',
    description: 'private key of that certificate in PEM, not encrypted',
    example: '/etc/zbus/server.key',
  }),
  clientCaFile: textOrNone()
    .default(null)
    .register(optionInfos, {
      group: 'Security',
      placeholder: 'file',
      description:
        'certificates in PEM of those who sign for clients; with it every client must show a ' +
        'certificate signed by one of them; without it none is asked for',
      example: '/etc/zbus/clients-ca.crt',
    }),
};
