/**
 * The home page: what a browser sees at `/`. Self-contained and without script; answered by the
 * broker's command "" for anyone, so it shows nothing but what the caller passes in.
 */

export interface HomeInfo {
  readonly version: string;
  /** `host:port` as a client reaches this server. */
  readonly address: string;
  readonly sslEnabled: boolean;
  /** What is deleted without being asked, unless a topic says otherwise; null: nothing. */
  readonly retention: string | null;
}

export interface HomePage {
  readonly headerLines: string;
  /** ASCII. */
  readonly body: string;
}

const HEADER_LINES =
  'content-type: text/html; charset=utf-8\r\n' +
  "content-security-policy: default-src 'self'; style-src 'unsafe-inline'; " +
  "frame-ancestors 'none'\r\n";

const COMMANDS: readonly (readonly [url: string, effect: string])[] = [
  ['/declare/TOPIC', 'make a topic, or change it'],
  ['/declare/TOPIC/GROUP', 'make a consume group, or change it'],
  ['/produce/TOPIC', 'store a message; the body is the message'],
  ['/consume/TOPIC', 'take the next message; waits while there is none'],
  ['/consume/TOPIC/GROUP', 'the same for a consume group of its own'],
  ['/ack/TOPIC/GROUP?offset=N', 'say that message N is done, on the connection that took it'],
  ['/nack/TOPIC/GROUP?offset=N', 'give message N back'],
  ['/redrive/TOPIC/GROUP', 'send dead messages back to their group'],
  ['/query/TOPIC', 'the topic as JSON'],
  ['/query/TOPIC/GROUP', 'the consume group as JSON'],
  ['/empty/TOPIC', 'drop all messages'],
  ['/empty/TOPIC/GROUP', 'move the consume group to the end'],
  ['/remove/TOPIC', 'delete the topic'],
  ['/remove/TOPIC/GROUP', 'delete the consume group'],
  ['/server', 'this server as JSON'],
  ['/ping', 'OK'],
];

const STYLE = `
:root{color-scheme:light dark;--text:#1c2330;--soft:#5c6678;--line:#d9dee7;--box:#f4f6f9;
--page:#fff}
@media(prefers-color-scheme:dark){:root{--text:#e6e9ef;--soft:#98a2b3;--line:#333b48;--box:#1d232d;
--page:#14181f}}
body{margin:0;background:var(--page);color:var(--text);font:16px/1.55 system-ui,sans-serif}
main{max-width:46rem;margin:0 auto;padding:3rem 1.25rem}
h1{margin:0;font-size:2rem}h1 small{color:var(--soft);font-size:1rem;font-weight:400}
h2{margin:2.25rem 0 .5rem;font-size:1.1rem}
p{margin:.25rem 0;color:var(--soft)}
pre{margin:0;padding:.9rem 1rem;overflow-x:auto;background:var(--box);border:1px solid var(--line);
border-radius:8px;font:14px/1.6 ui-monospace,monospace}
table{width:100%;border-collapse:collapse}
th,td{padding:.4rem .5rem .4rem 0;border-bottom:1px solid var(--line);text-align:left;
font-weight:400;vertical-align:top}
th{width:45%;font:14px/1.6 ui-monospace,monospace}`;

function escapeHtml(text: string): string {
  return text.replace(/[^\x20-\x7e]|[&<>"']/gu, (char) => `&#${char.codePointAt(0) ?? 0};`);
}

function commandRows(): string {
  return COMMANDS.map(
    ([url, effect]) => `<tr><th scope="row">${url}</th><td>${effect}</td></tr>`,
  ).join('\n');
}

function retentionSentence(retention: string | null): string {
  const rule =
    retention === null
      ? 'Nothing is ever deleted by itself'
      : `Messages ${escapeHtml(retention)} are deleted`;
  return `${rule}, unless a topic has a rule of its own.`;
}

export function homePage(info: HomeInfo): HomePage {
  const base = `${info.sslEnabled ? 'https' : 'http'}://${escapeHtml(info.address)}`;
  const version = escapeHtml(info.version);
  const body = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>zbus ${version}</title>
<style>${STYLE}
</style>
</head>
<body>
<main>
<h1>zbus <small>${version}</small></h1>
<p>Message queue and RPC at ${escapeHtml(info.address)}</p>
<p>${retentionSentence(info.retention)}</p>
<h2>Try it</h2>
<pre>curl ${base}/declare/hello
curl ${base}/produce/hello -d 'first message'
curl ${base}/consume/hello</pre>
<h2>Commands</h2>
<table>
${commandRows()}
</table>
<p>The same commands travel in headers: <code>cmd</code>, <code>topic</code>,
<code>consume_group</code>. A request with an <code>id</code> header is answered as soon
as its answer is ready, one without keeps the order of the connection.</p>
</main>
</body>
</html>
`;
  return { headerLines: HEADER_LINES, body };
}
