/** Options that say who may reach the broker. */
import { list, optionInfos } from './values.js';

const HOST = /^[a-z0-9._-]+$/i;
const ORIGIN = /^https?:\/\/[a-z0-9.:[\]_-]+$/i;

export const securityOptions = {
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
