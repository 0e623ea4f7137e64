/** A producer to one topic, with what its messages have in common. Thin: MqClient does the work. */
import type { Body } from './body.js';
import type { MqClient, Produced, ProduceOptions } from './mq-client.js';

export class Producer {
  readonly topic: string;
  readonly #client: MqClient;
  readonly #defaults: ProduceOptions;

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
