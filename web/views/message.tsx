/** One message, whole: headers, body as JSON, text or bytes; copied as curl, sent again. */
import { useEffect, useState } from 'preact/hooks';
import type { BrowsedMessage } from '../../src/monitor/shapes.js';
import { isPassedOn } from '../../src/protocol/headers.js';
import { browse } from '../model/commands.js';
import type { Live } from '../model/live.js';
import { bytesText } from '../model/text.js';
import { Dialog } from '../parts/dialog.js';
import { CopyButton, Time } from '../parts/figures.js';
import { ProduceDialog } from './produce.js';
import { baseUrl, shellQuoted } from './try-it.js';

export interface MessageProps {
  readonly live: Live;
  readonly topic: string;
  /** As the list has it, maybe with the beginning of its body alone. */
  readonly message: BrowsedMessage;
  readonly onClose: () => void;
}

const BODY_BYTES_MAX = 1024 * 1024;
/** As hex, no more than these are shown. */
const HEX_BYTES_MAX = 16 * 1024;

type Shown = 'json' | 'text' | 'hex';

export function MessageDialog({ live, topic, message, onClose }: MessageProps) {
  const [whole, setWhole] = useState(message);
  const [shown, setShown] = useState<Shown>(() => best(message));
  const [resending, setResending] = useState(false);
  useEffect(() => {
    if (!message.truncated || live.bus === null) return;
    const query = { backward: false, limit: 1, filter: '', text: '', bodyBytes: BODY_BYTES_MAX };
    browse(live.bus, topic, { ...query, offset: message.offset }).then(
      ({ messages }) => {
        const [read] = messages;
        if (read?.offset !== message.offset) return;
        setWhole(read);
        setShown(best(read));
      },
      () => undefined,
    );
  }, []);
  const isWholeText = whole.encoding === 'utf8' && !whole.truncated;
  if (resending) {
    return <ProduceDialog live={live} topic={topic} from={whole} onClose={onClose} />;
  }
  return (
    <Dialog title={`Message ${message.offset} of ${topic}`} onClose={onClose}>
      <p>
        <Time atMs={whole.storedAtMs} />, {bytesText(whole.bodyBytes)}, id {whole.id}
      </p>
      <dl class="headers">
        {Object.entries(whole.headers).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <p class="choice" role="group" aria-label="Body shown as">
        {(['json', 'text', 'hex'] as const).map((kind) => (
          <button key={kind} aria-pressed={shown === kind} onClick={() => setShown(kind)}>
            {kind}
          </button>
        ))}
      </p>
      <pre class="body" tabIndex={0}>
        {bodyAs(whole, shown)}
      </pre>
      {whole.truncated && <p>Only the first {bytesText(BODY_BYTES_MAX)} of the body are shown.</p>}
      <p class="buttons">
        {isWholeText && <CopyButton name="Copy as curl" text={curlOf(live, topic, whole)} />}
        <CopyButton name="Copy body" text={whole.body} />
        {live.may('produce') && isWholeText && (
          <button onClick={() => setResending(true)}>Edit and resend</button>
        )}
        <button class="quiet" onClick={onClose}>
          Close
        </button>
      </p>
    </Dialog>
  );
}

function best(message: BrowsedMessage): Shown {
  if (message.encoding === 'base64') return 'hex';
  return asJson(message.body) === null ? 'text' : 'json';
}

function asJson(text: string): string | null {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return null;
  }
}

function bodyAs({ body, encoding }: BrowsedMessage, shown: Shown): string {
  if (shown === 'hex')
    return hexOf(encoding === 'utf8' ? new TextEncoder().encode(body) : bytesOf(body));
  if (encoding === 'base64') return 'The body is not text: see hex.';
  return shown === 'json' ? (asJson(body) ?? 'The body is not JSON: see text.') : body;
}

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
}

function hexOf(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < Math.min(bytes.length, HEX_BYTES_MAX); at += 16) {
    const row = [...bytes.subarray(at, at + 16)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const text = row.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '.'));
    lines.push(`${at.toString(16).padStart(6, '0')}  ${hex.padEnd(47)}  ${text.join('')}`);
  }
  if (bytes.length > HEX_BYTES_MAX) lines.push(`… ${bytes.length - HEX_BYTES_MAX} bytes more`);
  return lines.join('\n');
}

/** Produces a message like it. */
function curlOf(live: Live, topic: string, { tag, headers, body }: BrowsedMessage): string {
  const own = Object.entries(headers).filter(([name]) => isPassedOn(name));
  const lines = tag === '' ? own : [['tag', tag] as const, ...own];
  const options = lines.map(([name, value]) => `-H ${shellQuoted(`${name}: ${value}`)}`);
  if (live.access.tokenName !== null) options.push('-H "token: $TOKEN"');
  // curl would name a type of its own.
  if (!('content-type' in headers)) options.push("-H 'content-type:'");
  const url = shellQuoted(`${baseUrl()}/produce/${encodeURIComponent(topic)}`);
  // Not --data-binary, to which a body that begins with @ names a file of whoever pastes this.
  return ['curl', url, ...options, `--data-raw ${shellQuoted(body)}`].join(' ');
}
