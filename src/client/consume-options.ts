/**
 * What a consumer is told: read by Consumer, and by RoutedConsumer for those of several servers.
 */
import { BadRequestError } from '../errors.js';
import { checkGroupName, checkTopicName } from '../protocol/names.js';
import type { GroupOptions } from './declaration.js';

/** What to receive, and what to declare of the group: options that are absent change nothing. */
export interface ConsumeOptions extends GroupOptions {
  /** Absent: the group named like the topic. */
  readonly group?: string;
  /**
   * Messages that may be on their way to the application or in its hands. Default 100 where the
   * group asks for acknowledgements. Where it does not, a message is done with when it was
   * received, so that what was fetched ahead is lost with this process: the default is 1 there, and
   * where the token lets nobody know.
   */
  readonly prefetch?: number;
  /** Ends the iteration with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** What is consumed by these names and options. Throws BadRequestError. */
export function checkConsume(
  topic: string,
  { group = topic, prefetch }: ConsumeOptions,
): { readonly topic: string; readonly group: string } {
  if (prefetch !== undefined && !(Number.isSafeInteger(prefetch) && prefetch >= 1)) {
    throw new BadRequestError(`Bad prefetch "${prefetch}": must be a whole number from 1`);
  }
  return { topic: checkTopicName(topic), group: checkGroupName(group) };
}
