/** The frame around all views: where one is, whether the broker is there, who is logged in. */
import type { ComponentChildren } from 'preact';
import { type Live, useLive } from './model/live.js';
import { type Route, useRoute } from './model/route.js';
import { Overview } from './views/overview.js';
import { Rpc } from './views/rpc.js';
import { TopicView } from './views/topic.js';
import { Topics } from './views/topics.js';
import { TryIt } from './views/try-it.js';

const VIEWS = [
  ['overview', '#/', 'Overview'],
  ['topics', '#/topics', 'Topics'],
  ['rpc', '#/rpc', 'RPC'],
  ['try', '#/try', 'Try it'],
] as const;

export function App({ live }: { readonly live: Live }) {
  useLive(live);
  const route = useRoute();
  const { server, access } = live;
  const shown = route.view === 'topic' ? 'topics' : route.view;
  return (
    <>
      <header class="top">
        <a class="brand" href="#/">
          zbus
        </a>
        <nav aria-label="Views">
          {VIEWS.map(([view, href, name]) => (
            <a key={view} href={href} aria-current={shown === view ? 'page' : undefined}>
              {name}
            </a>
          ))}
        </nav>
        <span class="where">
          {server !== null && (
            <span title={`version ${server.version}`}>
              {server.sslEnabled ? 'TLS ' : ''}
              {server.address}
            </span>
          )}
          {(access.tokenName !== null || live.connected === 'refused') && (
            <form method="post" action="/logout">
              {access.tokenName} <button class="quiet">Log out</button>
            </form>
          )}
        </span>
      </header>
      <Banner live={live} />
      <main>{server === null ? null : <View route={route} live={live} />}</main>
    </>
  );
}

function View({ route, live }: { readonly route: Route; readonly live: Live }) {
  switch (route.view) {
    case 'overview':
      return <Overview live={live} />;
    case 'topics':
      return <Topics live={live} />;
    case 'topic':
      return <TopicView key={route.topic} live={live} name={route.topic} />;
    case 'rpc':
      return <Rpc live={live} />;
    case 'try':
      return <TryIt live={live} />;
  }
}

function Banner({ live }: { readonly live: Live }) {
  let text: ComponentChildren = null;
  if (live.connected === 'connecting') text = 'Connecting to the broker …';
  if (live.connected === 'lost')
    text = 'The broker is not reached; trying again. What you see is old.';
  if (live.connected === 'refused') text = `The page is not shown: ${live.refusal}`;
  return (
    <div class="banner" role="status" hidden={text === null}>
      {text}
    </div>
  );
}
