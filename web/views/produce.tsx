/** A message to be sent: empty, or made of one that is there. */
import { useState } from 'preact/hooks';
import type { BrowsedMessage } from '../../src/monitor/shapes.js';
import { isPassedOn } from '../../src/protocol/headers.js';
import type { Live } from '../model/live.js';
import { countText } from '../model/text.js';
import { ActionForm, Dialog } from '../parts/dialog.js';

export interface ProduceProps {
  readonly live: Live;
  readonly topic: string;
  /** Whose tag, headers and body to begin with. */
  readonly from?: BrowsedMessage;
  readonly onClose: () => void;
}

export function ProduceDialog({ live, topic, from, onClose }: ProduceProps) {
  const [tag, setTag] = useState(from?.tag ?? '');
  const [headers, setHeaders] = useState(from === undefined ? '' : ownHeaders(from));
  const [body, setBody] = useState(from?.body ?? '');
  const [sent, setSent] = useState('');
  const submit = async (): Promise<void> => {
    const { bus } = live;
    if (bus === null) return;
    const options = { headers: readHeaders(headers), ...(tag === '' ? {} : { tag }) };
    const { offset, ackLevel } = await bus.produce(topic, body, options);
    setSent(`Stored as message ${countText(offset)}, ack level ${ackLevel}.`);
  };
  return (
    <Dialog title={`Produce to ${topic}`} onClose={onClose}>
      <ActionForm action="Send" onSubmit={submit} onCancel={onClose}>
        <label>
          Tag
          <input value={tag} onInput={(event) => setTag(event.currentTarget.value)} />
        </label>
        <label>
          Headers, one a line
          <textarea
            rows={3}
            value={headers}
            placeholder="content-type: application/json"
            onInput={(event) => setHeaders(event.currentTarget.value)}
          />
        </label>
        <label>
          Body
          <textarea rows={8} value={body} onInput={(event) => setBody(event.currentTarget.value)} />
        </label>
        <p role="status">{sent}</p>
      </ActionForm>
    </Dialog>
  );
}

/** Those that the producer gave, as lines. */
function ownHeaders({ headers }: BrowsedMessage): string {
  return Object.entries(headers)
    .filter(([name]) => isPassedOn(name))
    .map(([name, value]) => `${name}: ${value}`)
    .join('\n');
}

function readHeaders(lines: string): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const line of lines.split('\n')) {
    if (line.trim() === '') continue;
    const colon = line.indexOf(':');
    if (colon < 1) throw new Error(`"${line}" is no header: write name: value`);
    headers[line.slice(0, colon).trim()] = line.slice(colon + 1).trim();
  }
  return headers;
}
