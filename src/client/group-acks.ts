/**
 * How a consumer joins its group, and learns whether that asks for acknowledgements, as far as its
 * token lets it. Used by Consumer, on every link.
 */
import { ForbiddenError } from '../errors.js';
import { CommandName } from '../protocol/commands.js';
import { hasMask, Mask } from '../protocol/masks.js';
import { addDeclaration, type GroupOptions } from './declaration.js';
import type { GroupInfo } from './info.js';

/**
 * `unknown` is safe for either kind: what is received is acknowledged when the application says so,
 * and is not taken for granted to come again when it does not.
 */
export type GroupAcks = 'required' | 'none' | 'unknown';

/** Sends a command on the group, with headers of its own; resolves with what is known of it. */
export type AskGroup = (
  cmd: string,
  declared: ReadonlyMap<string, string>,
) => Promise<Pick<GroupInfo, 'ackWindow'>>;

const NOTHING: ReadonlyMap<string, string> = new Map();

/**
 * Declares the group, which may be gone. Whoever may not declare takes it as it is; whoever may not
 * query either may say with the mask that it asks for acknowledgements. Rejects with a ZbusError.
 */
export async function joinGroup(ask: AskGroup, options: GroupOptions): Promise<GroupAcks> {
  const { mask = 0, filter, ackWindow, ackTimeoutMs, maxAttempts, deadTopic } = options;
  const declared = new Map<string, string>();
  addDeclaration(declared, options);
  try {
    return acksOf(await ask(CommandName.declare, declared));
  } catch (error) {
    const changes = [filter, ackWindow, ackTimeoutMs, maxAttempts, deadTopic];
    const wantsMore = changes.some((change) => change !== undefined);
    if (!(error instanceof ForbiddenError) || wantsMore) throw error;
  }
  try {
    return acksOf(await ask(CommandName.query, NOTHING));
  } catch (error) {
    if (!(error instanceof ForbiddenError)) throw error;
    // A mask without the bit says nothing: the topic may have it for all its groups.
    return hasMask(mask, Mask.ackRequired) ? 'required' : 'unknown';
  }
}

function acksOf({ ackWindow }: Pick<GroupInfo, 'ackWindow'>): GroupAcks {
  return ackWindow === undefined ? 'none' : 'required';
}
