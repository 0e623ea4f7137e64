/** Options of a broker that joins trackers, and of one that is a tracker for others. */
import { z } from 'zod';
import { GIB, KIB, MIB } from './sizes.js';
import { onOff, optionInfos, size, textOrNone, wholeNumber } from './values.js';

const ADDRESS = /^(\[ssl\])?(\[[0-9a-f:.]+\]|[a-z0-9._-]+):[0-9]{1,5}$/i;
const ADDRESS_RULE =
  'must be addresses between ; or commas, such as tracker1:15555;[SSL]tracker2:15555';

export const trackerOptions = {
  trackerList: z
    .preprocess(
      (value) =>
        typeof value === 'string' ? value.split(/[;,]/).filter((one) => one.trim() !== '') : value,
      z.array(
        z.string({ error: ADDRESS_RULE }).trim().toLowerCase().regex(ADDRESS, {
          error: ADDRESS_RULE,
        }),
        { error: ADDRESS_RULE },
      ),
    )
    .default([])
    .register(optionInfos, {
      group: 'Trackers',
      alias: '--tracker',
      placeholder: 'addresses',
      description:
        'trackers to join, host:port between ; or commas, with [SSL] before those that speak TLS',
      example: 'tracker1:15555;[SSL]tracker2:15555',
    }),
  trackerOnly: onOff().default(false).register(optionInfos, {
    group: 'Trackers',
    description: 'only keep the table of servers: no topics, no data folder',
    example: 'true',
  }),
  trackerTokenFile: textOrNone().default(null).register(optionInfos, {
    group: 'Trackers',
    placeholder: 'file',
    description:
      'file that holds the token for the trackers of trackerList, which must allow track_pub',
    example: '/etc/zbus/tracker-token',
  }),
  trackerCaFile: textOrNone()
    .default(null)
    .register(optionInfos, {
      group: 'Trackers',
      placeholder: 'file',
      description:
        'certificates in PEM that brokers believe of each other, of authorities or of brokers ' +
        'themselves; without it those that Node believes',
      example: '/etc/zbus/brokers-ca.crt',
    }),
  trackedServersMax: wholeNumber(1, 10_000).default(256).register(optionInfos, {
    group: 'Trackers',
    placeholder: 'count',
    description: 'servers that may be tracked here; one more is answered 429',
    example: '50',
  }),
  trackPubBytesMax: size(KIB, GIB)
    .default(8 * MIB)
    .register(optionInfos, {
      group: 'Trackers',
      placeholder: 'size',
      description: 'what a server may tell of itself; beyond it 429',
      example: '1MiB',
    }),
};
