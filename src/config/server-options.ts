/** Options of the server as a whole and of its log. */
import { onOff, optionInfos, text, textOrNone } from './values.js';

export const serverOptions = {
  serverAddress: text()
    .default('127.0.0.1:15555')
    .register(optionInfos, {
      group: 'Server',
      placeholder: 'host:port',
      description:
        'address to listen on; port 0 takes a free one; without a host it is 127.0.0.1; anything ' +
        'but a loopback address needs a tokenFile or allowUnauthenticated',
      example: '[::1]:15555',
    }),
  serverName: textOrNone().default(null).register(optionInfos, {
    group: 'Server',
    placeholder: 'host:port',
    description: 'address told to clients instead of the one listened on, such as that of a proxy',
    example: 'mq.example.com:80',
  }),
  autoCreateTopics: onOff().default(false).register(optionInfos, {
    group: 'Server',
    description: 'a produce or consume on an unknown topic creates it instead of answering 404',
    example: 'true',
  }),
  logDir: textOrNone().default(null).register(optionInfos, {
    group: 'Log',
    placeholder: 'folder',
    description: 'folder of zbus.log; without it the log goes to stderr',
    example: '/var/log/zbus',
  }),
  verbose: onOff().default(false).register(optionInfos, {
    group: 'Log',
    description: 'log debug lines too',
    example: 'true',
  }),
};
