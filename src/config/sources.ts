/**
 * Reads a configuration: flags before ZBUS_* environment before the JSON file before the defaults.
 * Called by the cli and by programs that embed a server. Every value is checked, every unknown name
 * refused with the nearest known one, all problems together in one ConfigError.
 */
import { readFileSync } from 'node:fs';
import {
  type Config,
  type ConfigKey,
  configKeys,
  configSchema,
  environmentName,
  flagName,
} from './config.js';
import { ConfigError } from './config-error.js';
import { nearest } from './nearest.js';

/** Where options come from; the first that names one wins: flags, environment, file. */
export interface ConfigSources {
  /** By option name, such as `{ ackLevel: 'page' }`; undefined counts as absent. */
  readonly flags?: Readonly<Record<string, unknown>>;
  /** Such as `process.env`; absent: none is read. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Path of a JSON file. */
  readonly file?: string | undefined;
}

/** A value and how its owner wrote the name, for messages. */
interface Setting {
  readonly value: unknown;
  readonly writtenAs: string;
}
type Settings = Map<ConfigKey, Setting>;

const CONFIG_FILE_VARIABLE = 'ZBUS_CONFIG';

/**
 * Variables with our prefix that are not options: the file, those of the client's commands, of the
 * tests, and of the addon's loader (node-gyp-build), and those that Kubernetes sets in every pod
 * beside a service named zbus.
 */
const FOREIGN_VARIABLES =
  /^ZBUS_(CONFIG|SERVER|TOKEN|REQUIRE_ALL|PREBUILD|(TEST|BENCH)_\w+|SERVICE_\w+|PORT(_\d+_\w+)?)$/;

/** The options of a server, from `sources` and the defaults. Throws ConfigError. */
export function loadConfig(sources: ConfigSources = {}): Config {
  const { flags = {}, env = {} } = sources;
  const problems: string[] = [];
  const fileVariable = env[CONFIG_FILE_VARIABLE];
  const file = sources.file ?? (fileVariable === '' ? undefined : fileVariable);
  const layers = [
    fileSettings(file, problems),
    environmentSettings(env, problems),
    flagSettings(flags, problems),
  ];
  const settings: Settings = new Map(layers.flatMap((layer) => [...layer]));
  const values: Record<string, unknown> = {};
  for (const [key, { value, writtenAs }] of settings) {
    const { error } = configSchema.shape[key].safeParse(value);
    const rule = error?.issues[0]?.message;
    if (rule === undefined) values[key] = value;
    else problems.push(`${writtenAs} ${rule}, not ${JSON.stringify(value)}`);
  }
  if (problems.length > 0) throw new ConfigError(problems.join('; '));
  return configSchema.parse(values);
}

function flagSettings(flags: Readonly<Record<string, unknown>>, problems: string[]): Settings {
  const settings: Settings = new Map();
  for (const [name, value] of Object.entries(flags)) {
    if (value === undefined) continue;
    if (isKey(name)) settings.set(name, { value, writtenAs: flagName(name) });
    else problems.push(unknown(`option "${name}"`, name, configKeys));
  }
  return settings;
}

function environmentSettings(
  env: Readonly<Record<string, string | undefined>>,
  problems: string[],
): Settings {
  const keyOf = new Map(configKeys.map((key) => [environmentName(key), key]));
  const settings: Settings = new Map();
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || !name.startsWith('ZBUS_')) continue;
    const key = keyOf.get(name);
    if (key !== undefined) settings.set(key, { value, writtenAs: name });
    else if (!FOREIGN_VARIABLES.test(name)) {
      problems.push(unknown(`environment variable ${name}`, name, [...keyOf.keys()]));
    }
  }
  return settings;
}

function fileSettings(file: string | undefined, problems: string[]): Settings {
  const settings: Settings = new Map();
  if (file === undefined) return settings;
  for (const [name, value] of Object.entries(readJsonObject(file))) {
    const writtenAs = `"${name}" in ${file}`;
    if (isKey(name)) settings.set(name, { value, writtenAs });
    else problems.push(unknown(`option ${writtenAs}`, name, configKeys));
  }
  return settings;
}

function readJsonObject(file: string): object {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`cannot read the configuration file ${file}: ${oneLine(reason)}`);
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new ConfigError(`the configuration file ${file} must hold one JSON object`);
  }
  return json;
}

/** JSON.parse quotes the text around the fault, line breaks included. */
function oneLine(reason: string): string {
  return reason.replace(/\s+/g, ' ');
}

function isKey(name: string): name is ConfigKey {
  return Object.hasOwn(configSchema.shape, name);
}

function unknown(what: string, name: string, known: readonly string[]): string {
  return `unknown ${what}; the nearest known one is ${nearest(name, known)}`;
}
