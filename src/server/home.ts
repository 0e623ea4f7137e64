/**
 * The home page for those who do not ask for HTML, as curl: what there is, and how to try it.
 * Browsers get the monitor page (page-files.ts), and this one where that was not built. On a broker
 * with tokens it is for those who have one, and shows the commands that it allows.
 */
import { ANYONE, type Grant } from '../auth/grant.js';
import { ruleOf } from '../auth/operations.js';
import { escapeHtml, HTML_HEADER_LINES, type HtmlPage, PAGE_STYLE } from './page-frame.js';

export interface HomeInfo {
  readonly version: string;
  /** `host:port` as a client reaches this server. */
  readonly address: string;
  readonly sslEnabled: boolean;
  /** What is deleted without being asked, unless a topic says otherwise; null: nothing. */
  readonly retention: string | null;
}

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
  ['/zbus.js', 'the client for pages: import { connect } from this URL'],
];

function commandRows(grant: Grant): string {
  const allowed = COMMANDS.filter(([url]) => {
    const operation = ruleOf(url.split('/')[1] ?? '')?.operation;
    return operation === undefined || operation === null || grant.allows(operation);
  });
  return allowed
    .map(([url, effect]) => `<tr><th scope="row">${url}</th><td>${effect}</td></tr>`)
    .join('\n');
}

/** Whose page it is, and the way out; nothing on a broker without tokens. */
function tokenSection(grant: Grant): string {
  if (grant === ANYONE) return '';
  return `<form method="post" action="/logout"><p>Logged in with the token
${escapeHtml(grant.name)} <button>Log out</button></p></form>
`;
}

function retentionSentence(retention: string | null): string {
  const rule =
    retention === null
      ? 'Nothing is ever deleted by itself'
      : `Messages ${escapeHtml(retention)} are deleted`;
  return `${rule}, unless a topic has a rule of its own.`;
}

export function homePage(info: HomeInfo, grant: Grant = ANYONE): HtmlPage {
  const base = `${info.sslEnabled ? 'https' : 'http'}://${escapeHtml(info.address)}`;
  const version = escapeHtml(info.version);
  const body = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>zbus ${version}</title>
<style>${PAGE_STYLE}
</style>
</head>
<body>
<main>
<h1>zbus <small>${version}</small></h1>
<p>Message queue and RPC at ${escapeHtml(info.address)}</p>
<p>${retentionSentence(info.retention)}</p>
${tokenSection(grant)}<h2>Try it</h2>
<pre>curl ${base}/declare/hello
curl ${base}/produce/hello -d 'first message'
curl ${base}/consume/hello</pre>
<h2>Commands</h2>
<table>
${commandRows(grant)}
</table>
<p>The same commands travel in headers: <code>cmd</code>, <code>topic</code>,
<code>consume_group</code>. A request with an <code>id</code> header is answered as soon
as its answer is ready, one without keeps the order of the connection.</p>
</main>
</body>
</html>
`;
  return { headerLines: HTML_HEADER_LINES, body };
}
