/**
 * The options of the server: THE list of their names, defaults, ranges and meanings. The cli makes
 * its flags and its help from it, sources.ts reads flags, environment and file against it, tests
 * hold docs/operations.md to it. An option's unit ends its name; sizes and times are whole numbers.
 */
import { z } from 'zod';
import { limitOptions } from './limit-options.js';
import { securityOptions } from './security-options.js';
import { serverOptions } from './server-options.js';
import { storageOptions } from './storage-options.js';
import { trackerOptions } from './tracker-options.js';
import { sizeText } from './sizes.js';
import { type OptionInfo, optionInfos } from './values.js';

export const configSchema = z.strictObject({
  ...serverOptions,
  ...securityOptions,
  ...trackerOptions,
  ...storageOptions,
  ...limitOptions,
});

/** All options of a server: docs/operations.md lists them with defaults and meanings. */
export type Config = Readonly<z.output<typeof configSchema>>;
export type ConfigKey = keyof Config;

export const configKeys = Object.keys(configSchema.shape) as ConfigKey[];

/** What a server does that is told nothing. */
export const defaultConfig: Config = Object.freeze(configSchema.parse({}));

export function optionInfo(key: ConfigKey): OptionInfo {
  const info = optionInfos.get(configSchema.shape[key]);
  if (info === undefined) throw new Error(`option ${key} is not described`);
  return info;
}

/** `ackLevel` is `--ack-level` on the command line. */
export function flagName(key: ConfigKey): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** `ackLevel` is `ZBUS_ACK_LEVEL` in the environment. */
export function environmentName(key: ConfigKey): string {
  return `ZBUS_${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/** A default as a person would write it. */
export function defaultText(key: ConfigKey): string {
  const value = defaultConfig[key];
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.join();
  if (value === null) return 'none';
  return typeof value === 'number' && key.includes('Bytes') ? sizeText(value) : `${value}`;
}

type RetentionOptions = Pick<Config, 'retentionBytes' | 'retentionAgeMs' | 'retentionConsumed'>;

/** Which messages the server deletes by itself, as people read it; null when it keeps all. */
export function retentionText(options: RetentionOptions): string | null {
  const rules: string[] = [];
  if (options.retentionBytes !== null)
    rules.push(`beyond ${sizeText(options.retentionBytes)} a topic`);
  if (options.retentionAgeMs !== null) rules.push(`older than ${options.retentionAgeMs} ms`);
  if (options.retentionConsumed) rules.push('consumed by all groups');
  return rules.length === 0 ? null : rules.join(' or ');
}
