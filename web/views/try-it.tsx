/** Lines to copy that produce and consume, with the address and the topic filled in. */
import { useState } from 'preact/hooks';
import type { Live } from '../model/live.js';
import { CopyButton } from '../parts/figures.js';

export function TryIt({ live }: { readonly live: Live }) {
  const [topic, setTopic] = useState('hello');
  return (
    <>
      <h1>Try it</h1>
      <p class="tools">
        <label>
          Topic <input value={topic} onInput={(event) => setTopic(event.currentTarget.value)} />
        </label>
      </p>
      <Snippets live={live} topic={topic} />
    </>
  );
}

export interface SnippetsProps {
  readonly live: Live;
  readonly topic: string;
}

export function Snippets({ live, topic }: SnippetsProps) {
  return (
    <div class="snippets">
      {snippetsOf(live, topic).map(([name, text]) => (
        <section key={name}>
          <h3>{name}</h3>
          <pre tabIndex={0}>{text}</pre>
          <CopyButton name={`Copy ${name}`} text={text} />
        </section>
      ))}
    </div>
  );
}

/** Where the page came from is where the broker is reached. */
export function baseUrl(): string {
  return location.origin;
}

export function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function snippetsOf(live: Live, topic: string): [name: string, text: string][] {
  const base = baseUrl();
  const path = encodeURIComponent(topic);
  const withToken = live.access.tokenName !== null;
  const curl = withToken ? 'curl -H "token: $TOKEN"' : 'curl';
  const options = withToken ? ', { token: process.env.TOKEN }' : '';
  const name = JSON.stringify(topic);
  const { host } = location;
  return [
    [
      'curl',
      `${curl} ${shellQuoted(`${base}/declare/${path}`)}
${curl} ${shellQuoted(`${base}/produce/${path}`)} -d 'first message'
${curl} ${shellQuoted(`${base}/consume/${path}`)}`,
    ],
    [
      'TypeScript',
      `import { connect } from 'zbus';

const bus = await connect('${host}'${options});
await bus.declare(${name});
await bus.produce(${name}, { first: 'message' });
for await (const message of bus.consume(${name})) console.log(message.json());`,
    ],
    [
      'browser',
      `<script type="module">
  import { connect } from '${base}/zbus.js';
  const bus = await connect();
  await bus.produce(${name}, 'from a page');
</script>`,
    ],
    [
      'Python',
      `from urllib.request import Request, urlopen

headers = {${withToken ? '"token": "YOUR TOKEN"' : ''}}
urlopen(Request("${base}/produce/${path}", b"from Python", headers))
print(urlopen(Request("${base}/consume/${path}", headers=headers)).read())`,
    ],
  ];
}
