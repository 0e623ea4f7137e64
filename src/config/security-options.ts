/** Options that say who may reach the broker. */
import { GIB, KIB, list, onOff, optionInfos, size, textOrNone } from './values.js';

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
};
