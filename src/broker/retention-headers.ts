/**
 * What a declare says of a topic's retention: the headers `retention_bytes`, `retention_age_ms` and
 * `retention_consumed`, held to the rules of the options of the same names. Used by declare.
 */
import type { z } from 'zod';
import { configSchema } from '../config/config.js';
import { BadRequestError } from '../errors.js';
import { Header } from '../protocol/headers.js';
import type { Call } from './call.js';
import type { OwnRetention } from './topic-definition.js';

const { retentionBytes, retentionAgeMs, retentionConsumed } = configSchema.shape;

/** The fields that the request sets; undefined when it sets none. Throws BadRequestError. */
export function wantedRetention(call: Call): OwnRetention | undefined {
  const bytes = read(call, Header.retentionBytes, retentionBytes);
  const ageMs = read(call, Header.retentionAgeMs, retentionAgeMs);
  const keepsConsumed = call.get(Header.retentionConsumed) === 'none';
  const consumed = keepsConsumed ? false : read(call, Header.retentionConsumed, retentionConsumed);
  const wanted = {
    ...(bytes === undefined ? {} : { bytes }),
    ...(ageMs === undefined ? {} : { ageMs }),
    ...(consumed === undefined ? {} : { consumed }),
  };
  return Object.keys(wanted).length === 0 ? undefined : wanted;
}

/** Absent and empty leave it as it is. */
function read<T>(call: Call, name: string, rule: z.ZodType<T>): T | undefined {
  const value = call.get(name);
  if (value === undefined || value === '') return undefined;
  const { data, error } = rule.safeParse(value);
  if (error === undefined) return data;
  throw new BadRequestError(
    `Bad ${name} "${value}": ${error.issues[0]?.message ?? ''}, or be none`,
  );
}
