/**
 * One topic as Monitor has seen it last: its state, the counts its rates are taken from, its
 * alarms. Looked at once a second, and left alone while nothing has changed.
 */
import type { Topic } from '../broker/topic.js';
import { BacklogTrend, topicAlarms } from './alarms.js';
import type { SampleRing } from './rate-history.js';
import { NO_RATES, RateMeter } from './rate-meter.js';
import type { Alarm, TopicState } from './shapes.js';
import { topicState } from './topic-state.js';

export class WatchedTopic {
  readonly topic: Topic;
  state: TopicState;
  alarms: readonly Alarm[];
  /** Its last minutes, if it is among those that are kept. */
  ring: SampleRing | null = null;
  /** When it last had traffic, on the monotonic clock; -Infinity: never seen. */
  movedAtMs = -Infinity;
  /** Number of the last look that found it. */
  seenAt = 0;
  readonly #trend = new BacklogTrend();
  /** The next look finds something new, whatever has happened. */
  #changes = -1;
  readonly #meter: RateMeter;
  #json: string | null = null;

  constructor(topic: Topic, nowMs: number) {
    this.topic = topic;
    this.#meter = new RateMeter(topic.traffic);
    this.state = topicState(topic, NO_RATES);
    this.alarms = topicAlarms(this.state, this.#trend.slowGroups(this.state, nowMs));
  }

  /** The state as JSON, encoded once however many ask. */
  get json(): string {
    this.#json ??= JSON.stringify(this.state);
    return this.#json;
  }

  /** Looks again; false when there is nothing new. */
  look(elapsedMs: number, nowMs: number): boolean {
    const { traffic } = this.topic;
    const moved = this.state.rates !== NO_RATES;
    if (this.#changes === traffic.changes && !moved) return false;
    this.#changes = traffic.changes;
    const rates = this.#meter.measure(elapsedMs);
    if (rates !== NO_RATES) this.movedAtMs = nowMs;
    this.state = topicState(this.topic, rates);
    this.alarms = topicAlarms(this.state, this.#trend.slowGroups(this.state, nowMs));
    this.#json = null;
    return true;
  }
}

/** Messages that the groups have not been given, in all. */
export function backlogOf({ groups }: TopicState): number {
  return groups.reduce((sum, { backlogCount }) => sum + backlogCount, 0);
}
