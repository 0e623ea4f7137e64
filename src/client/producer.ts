/** A producer to one topic, with what its messages have in common. Thin: MqClient does the work. */
import type { Body } from './body.js';
import type { MqClient, Produced, ProduceOptions } from './mq-client.js';

/** Produces to one topic: `new Producer(bus.client, 'orders', { tag: 'eu' })`. */
export class Producer {
  readonly topic: string;
  readonly #client: MqClient;
  readonly #defaults: ProduceOptions;

  /** `defaults` hold for messages that do not say otherwise. */
  constructor(client: MqClient, topic: string, defaults: Omit<ProduceOptions, 'id'> = {}) {
    this.topic = topic;
    this.#client = client;
    this.#defaults = defaults;
  }

  /** As MqClient.produce. */
  produce(body?: Body, options: ProduceOptions = {}): Promise<Produced> {
    return this.#client.produce(this.topic, body, { ...this.#defaults, ...options });
  }
}
