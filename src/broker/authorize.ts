/**
 * Whether a request may be carried out, decided from its token and the names in it alone: before
 * anything is looked up, so that a refusal says nothing of what is there. Asked by Broker for each
 * request.
 */
import { ANYONE, type Grant } from '../auth/grant.js';
import { type Rule, ruleOf, Scope } from '../auth/operations.js';
import { credentialOf } from '../auth/credentials.js';
import { ForbiddenError, UnauthorizedError } from '../errors.js';
import { CommandName } from '../protocol/commands.js';
import { Header } from '../protocol/headers.js';
import { decodeValue, textOf } from '../protocol/names.js';
import type { Call } from './call.js';
import type { Exchange } from './exchange.js';

/**
 * Throws UnauthorizedError, ForbiddenError, or BadRequestError when a name that must be looked at
 * is none.
 */
export function authorize(call: Call): void {
  const { grant } = call.exchange;
  if (grant === ANYONE) return;
  const rule = ruleOf(call.command.cmd);
  if (rule?.operation === null) return;
  if (grant === null || grant.revoked) throw unauthorized(call.exchange);
  if (grant.unrestricted) return;
  const refused = rule === undefined ? refusedByPath(call, grant) : refusedPart(call, grant, rule);
  if (refused === null) return;
  const operation = rule?.operation ?? 'rpc';
  throw new ForbiddenError(`Not allowed to token ${grant.name}: ${operation}${refused}`);
}

/** For a request whose token is missing, unknown or gone. */
export function unauthorized({ grant, request }: Exchange): UnauthorizedError {
  if (grant !== null) return new UnauthorizedError('The token is no longer valid');
  return new UnauthorizedError(
    credentialOf(request.headers) === undefined
      ? 'A token is needed: send it in the header token or as Authorization: Bearer'
      : 'The token is not known',
  );
}

/** On what the operation is refused, as the end of a sentence; null when it is allowed. */
function refusedPart(call: Call, grant: Grant, { operation, scope }: Rule): string | null {
  if (operation === null || !grant.allows(operation)) return '';
  if (scope === Scope.none || (call.command.cmd === CommandName.query && !call.namesTopic)) {
    return null;
  }
  const { topic } = call;
  if (!grant.hasTopic(topic)) return ` on topic ${topic}`;
  if (scope === Scope.topic) return null;
  const { group } = call;
  if (group === undefined && scope === Scope.everyGroup && !grant.everyGroup) {
    return ` on all groups of topic ${topic}`;
  }
  const looked = group ?? (scope === Scope.group ? topic : undefined);
  if (looked !== undefined && !grant.hasGroup(looked)) return ` on group ${looked}`;
  return operation === 'declare' ? refusedByDeclare(call, grant) : null;
}

/** A path that begins with a topic is a call, if that topic carries RPC. */
function refusedByPath(call: Call, grant: Grant): string | null {
  const { pathTopic } = call.command;
  if (pathTopic === undefined) return null;
  if (!grant.allows('rpc')) return '';
  const refused = [textOf(pathTopic), call.topic].find((name) => !grant.hasTopic(name));
  return refused === undefined ? null : ` on topic ${refused}`;
}

/** A declare names more than the topic and group that it makes. */
function refusedByDeclare(call: Call, grant: Grant): string | null {
  const deadTopic = named(call, Header.groupDeadTopic);
  if (deadTopic !== '' && !grant.hasTopic(deadTopic)) return ` on topic ${deadTopic}`;
  const copied = named(call, Header.groupStartCopy);
  if (copied !== '' && !grant.hasGroup(copied)) return ` on group ${copied}`;
  if (call.group === undefined && call.flag(Header.groupNameAuto) && !grant.everyGroup) {
    return ' on a group with a name made by the broker';
  }
  return null;
}

function named(call: Call, header: string): string {
  return decodeValue(call.command.encoded(header) ?? '');
}
