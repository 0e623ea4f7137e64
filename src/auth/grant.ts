/**
 * What one caller may do. Made of a token by TokenSet and carried by every request; when the token
 * is removed or changed its grant is revoked, which ends the connections that use it.
 */
import { namePatterns, type NamePatterns } from './name-patterns.js';
import { EVERY_OPERATION, type Operation } from './operations.js';

/** As the token file has it; what is absent is not restricted. */
export interface GrantDefinition {
  readonly name: string;
  readonly operations: readonly string[];
  readonly topics?: readonly string[] | undefined;
  readonly groups?: readonly string[] | undefined;
}

/** A connection on which requests came under a grant. */
export interface GrantUser {
  /** Takes no more requests, delivers no more messages, and ends. */
  finish(): void;
}

export class Grant {
  /** Of the token; for people, never a secret. */
  readonly name: string;
  /** True when there is nothing that it does not allow. */
  readonly unrestricted: boolean;
  readonly #operations: ReadonlySet<string>;
  readonly #topics: NamePatterns;
  readonly #groups: NamePatterns;
  readonly #users = new Set<GrantUser>();
  #revoked = false;

  constructor({ name, operations, topics, groups }: GrantDefinition) {
    this.name = name;
    this.#operations = new Set(operations);
    this.#topics = namePatterns(topics);
    this.#groups = namePatterns(groups);
    const all = this.#operations.has(EVERY_OPERATION);
    this.unrestricted = all && this.#topics.all && this.#groups.all;
  }

  get revoked(): boolean {
    return this.#revoked;
  }

  /** True when no topic is left out. */
  get everyTopic(): boolean {
    return this.#topics.all;
  }

  /** True when no group is left out. */
  get everyGroup(): boolean {
    return this.#groups.all;
  }

  /** As the token file has them. */
  get operationNames(): readonly string[] {
    return [...this.#operations];
  }

  allows(operation: Operation): boolean {
    return this.#operations.has(operation) || this.#operations.has(EVERY_OPERATION);
  }

  hasTopic(name: string): boolean {
    return this.#topics.matches(name);
  }

  hasGroup(name: string): boolean {
    return this.#groups.matches(name);
  }

  /** `user` is finished when the grant is revoked, unless it is detached before. */
  attach(user: GrantUser): void {
    this.#users.add(user);
  }

  detach(user: GrantUser): void {
    this.#users.delete(user);
  }

  /** The token is gone: whatever still comes with it is refused. */
  revoke(): void {
    this.#revoked = true;
    const users = [...this.#users];
    this.#users.clear();
    for (const user of users) user.finish();
  }
}

/** Of everyone, on a broker without tokens. */
export const ANYONE = new Grant({ name: 'anyone', operations: [EVERY_OPERATION] });
