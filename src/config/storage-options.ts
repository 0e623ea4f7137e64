/** Options of the data folder and of what is kept in it. */
import { z } from 'zod';
import { GIB, KIB, MIB } from './sizes.js';
import { onOff, optionInfos, orNone, size, text, wholeNumber } from './values.js';

const ACK_LEVELS = ['disk', 'page', 'none'] as const;

export const storageOptions = {
  mqDir: text().default('./zbus-data').register(optionInfos, {
    group: 'Storage',
    placeholder: 'folder',
    description: 'data folder, made if absent; only one broker at a time can hold it',
    example: '/var/lib/zbus',
  }),
  ackLevel: z
    .enum(ACK_LEVELS, { error: 'must be disk, page or none' })
    .default('disk')
    .register(optionInfos, {
      group: 'Storage',
      placeholder: 'level',
      description:
        'what a 200 to a produce means: disk = synced, survives a power cut; page = written, ' +
        'survives the end of the process; none = accepted',
      example: 'page',
      choices: ACK_LEVELS,
    }),
  syncIntervalMs: wholeNumber(1, 60_000).default(100).register(optionInfos, {
    group: 'Storage',
    placeholder: 'ms',
    description: 'how often records and positions are synced that nobody waits for',
    example: '1000',
  }),
  blockBytes: size(64 * KIB, GIB)
    .default(64 * MIB)
    .register(optionInfos, {
      group: 'Storage',
      placeholder: 'size',
      description: 'size at which a block file of a topic is sealed and the next one begun',
      example: '16MiB',
    }),
  minFreeBytes: size(0, Number.MAX_SAFE_INTEGER)
    .default(8 * MIB)
    .register(optionInfos, {
      group: 'Storage',
      placeholder: 'size',
      description: 'free disk space below which a produce is answered 507',
      example: '1GiB',
    }),
  openFilesMax: wholeNumber(16, 1_000_000).default(256).register(optionInfos, {
    group: 'Storage',
    placeholder: 'count',
    description: 'files of the data folder kept open at once',
    example: '1024',
  }),
  memoryTopicBytesMax: size(64 * KIB, Number.MAX_SAFE_INTEGER)
    .default(64 * MIB)
    .register(optionInfos, {
      group: 'Storage',
      placeholder: 'size',
      description: 'memory one memory topic may hold; beyond it a produce is answered 507',
      example: '256MiB',
    }),
  retentionBytes: orNone(size(512 * KIB, Number.MAX_SAFE_INTEGER))
    .default(null)
    .register(optionInfos, {
      group: 'Storage',
      placeholder: 'size',
      description: 'what a topic may hold; beyond it its oldest messages are deleted',
      example: '10GiB',
    }),
  retentionAgeMs: orNone(wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .default(null)
    .register(optionInfos, {
      group: 'Storage',
      placeholder: 'ms',
      description: 'age at which messages are deleted',
      example: '604800000',
    }),
  retentionConsumed: onOff().default(false).register(optionInfos, {
    group: 'Storage',
    description: 'messages that every group of their topic has consumed are deleted',
    example: 'true',
  }),
};
