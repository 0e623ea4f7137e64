/** What operators and time do: declare, move, empty, redrive, let time pass, stop and start. */
import assert from 'node:assert/strict';
import type { BrokerModel } from './broker-model.js';
import type { Settings } from './group-model.js';
import type { LiveBroker } from './live-broker.js';
import { type Expected, expectStatus, OPERATOR, send, Step, verify } from './step.js';

const SETTING_HEADERS = {
  mask: 'group_mask',
  filter: 'group_filter',
  ackWindow: 'group_ack_window',
  ackTimeoutMs: 'group_ack_timeout',
  maxAttempts: 'group_max_attempts',
} as const;

/** Changes the settings of a group. */
export class Redeclare extends Step {
  readonly #group: number;
  readonly #changes: Partial<Settings>;

  constructor(group: number, changes: Partial<Settings>) {
    super();
    this.#group = group;
    this.#changes = changes;
  }

  act(model: BrokerModel, live: LiveBroker): Expected[] {
    const group = model.group(this.#group);
    const headers = settingHeaders(this.#changes);
    const exchange = send(live, OPERATOR, 'declare', group, headers);
    model.redeclare(group, this.#changes);
    model.process();
    return [expectStatus(exchange, 200)];
  }

  override toString(): string {
    return `redeclare(${this.#group}, ${JSON.stringify(this.#changes)})`;
  }
}

export function settingHeaders(settings: Partial<Settings>): [string, string | number][] {
  return Object.entries(settings).map(([name, value]) => [
    SETTING_HEADERS[name as keyof Settings],
    value,
  ]);
}

export class SetTopicMask extends Step {
  readonly #mask: number;

  constructor(mask: number) {
    super();
    this.#mask = mask;
  }

  act(model: BrokerModel, live: LiveBroker): Expected[] {
    const exchange = send(live, OPERATOR, 'declare', null, [['topic_mask', this.#mask]]);
    model.setTopicMask(this.#mask);
    model.process();
    return [expectStatus(exchange, 200)];
  }

  override toString(): string {
    return `setTopicMask(${this.#mask})`;
  }
}

/** Moves a group to an offset of the log, before its beginning or to its end. */
export class Move extends Step {
  readonly #group: number;
  readonly #place: number;

  constructor(group: number, place: number) {
    super();
    this.#group = group;
    this.#place = place;
  }

  act(model: BrokerModel, live: LiveBroker): Expected[] {
    const group = model.group(this.#group);
    const offset = this.#place % (model.end + 1);
    const exchange = send(live, OPERATOR, 'declare', group, [['group_start_offset', offset]]);
    model.moveTo(group, Math.max(offset, model.log.firstOffset));
    model.process();
    return [expectStatus(exchange, 200)];
  }

  override toString(): string {
    return `move(${this.#group}, ${this.#place})`;
  }
}

/** Empties a group; null: the topic. */
export class Empty extends Step {
  readonly #group: number | null;

  constructor(group: number | null) {
    super();
    this.#group = group;
  }

  act(model: BrokerModel, live: LiveBroker): Expected[] {
    const group = this.#group === null ? null : model.group(this.#group);
    const exchange = send(live, OPERATOR, 'empty', group);
    if (group === null) model.emptyTopic();
    else model.moveTo(group, model.end);
    model.process();
    return [expectStatus(exchange, 200)];
  }

  override toString(): string {
    return `empty(${this.#group})`;
  }
}

/** Sends dead letters of a group back to it. */
export class Redrive extends Step {
  readonly #group: number;
  readonly #limit: number | null;

  constructor(group: number, limit: number | null) {
    super();
    this.#group = group;
    this.#limit = limit;
  }

  act(model: BrokerModel, live: LiveBroker): Expected[] {
    const group = model.group(this.#group);
    const headers: [string, number][] = this.#limit === null ? [] : [['limit', this.#limit]];
    const exchange = send(live, OPERATOR, 'redrive', group, headers);
    const endBefore = model.end;
    const redriven = model.redrive(group, this.#limit ?? Infinity);
    model.process();
    const check = (): void => {
      assert.equal(exchange.text, JSON.stringify({ redriven }));
    };
    const promises = Array.from({ length: redriven }, (_, place) => ({
      group: null,
      offset: endBefore + place,
    }));
    return [{ exchange, check, promises }];
  }

  override toString(): string {
    return `redrive(${this.#group}, ${this.#limit})`;
  }
}

export class Advance extends Step {
  readonly #byMs: number;

  constructor(byMs: number) {
    super();
    this.#byMs = byMs;
  }

  act(model: BrokerModel, live: LiveBroker): Expected[] {
    live.clock.advance(this.#byMs);
    model.advance(this.#byMs);
    model.process();
    return [];
  }

  override toString(): string {
    return `advance(${this.#byMs})`;
  }
}

/** Stops in good order and starts again; all peers are gone. */
export class Restart extends Step {
  override async run(model: BrokerModel, live: LiveBroker): Promise<void> {
    await live.close();
    await live.open();
    this.act(model);
    await live.settle();
    await verify(model, live);
  }

  act(model: BrokerModel): Expected[] {
    model.restarted();
    model.process();
    return [];
  }

  override toString(): string {
    return 'restart()';
  }
}
