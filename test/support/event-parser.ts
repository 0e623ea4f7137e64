/**
 * Server-sent events as a browser reads them: the parsing rules of the WHATWG HTML standard, 9.2.6,
 * followed line by line. Knows nothing of the broker.
 */
export interface ServerSentEvent {
  /** `message` unless the stream names another. */
  readonly type: string;
  readonly data: string;
  readonly lastEventId: string;
}

export class EventParser {
  /** The reconnection time that the stream asked for, in milliseconds. */
  retryMs: number | null = null;
  readonly comments: string[] = [];
  readonly #onEvent: (event: ServerSentEvent) => void;
  readonly #decoder = new TextDecoder();
  #text = '';
  #data = '';
  #type = '';
  #lastEventId = '';

  constructor(onEvent: (event: ServerSentEvent) => void) {
    this.#onEvent = onEvent;
  }

  push(chunk: Uint8Array): void {
    this.#text += this.#decoder.decode(chunk, { stream: true });
    for (;;) {
      const end = /\r\n|\n|\r(?!$)/.exec(this.#text);
      if (end === null) return;
      const line = this.#text.slice(0, end.index);
      this.#text = this.#text.slice(end.index + end[0].length);
      this.#onLine(line);
    }
  }

  #onLine(line: string): void {
    if (line === '') {
      this.#dispatch();
    } else if (line.startsWith(':')) {
      this.comments.push(line.slice(1));
    } else {
      const colon = line.indexOf(':');
      const value = colon < 0 ? '' : line.slice(colon + 1);
      const field = colon < 0 ? line : line.slice(0, colon);
      this.#onField(field, value.startsWith(' ') ? value.slice(1) : value);
    }
  }

  #onField(field: string, value: string): void {
    if (field === 'event') this.#type = value;
    else if (field === 'data') this.#data += `${value}\n`;
    else if (field === 'id' && !value.includes('\0')) this.#lastEventId = value;
    else if (field === 'retry' && /^[0-9]+$/.test(value)) this.retryMs = Number(value);
  }

  #dispatch(): void {
    const [data, type] = [this.#data, this.#type];
    this.#data = '';
    this.#type = '';
    if (data === '') return;
    this.#onEvent({
      type: type === '' ? 'message' : type,
      data: data.slice(0, -1),
      lastEventId: this.#lastEventId,
    });
  }
}
