/** The view that the address names behind `#`, so that every view can be linked to. */
import { useEffect, useState } from 'preact/hooks';

export type Route =
  | { readonly view: 'overview' | 'topics' | 'rpc' | 'try' }
  | { readonly view: 'topic'; readonly topic: string };

export function routeOf(hash: string): Route {
  const [view, name = ''] = hash.replace(/^#\/?/, '').split('/');
  if (view === 'topic' && name !== '') return { view, topic: decoded(name) };
  if (view === 'topics' || view === 'rpc' || view === 'try') return { view };
  return { view: 'overview' };
}

export function topicHref(name: string): string {
  return `#/topic/${encodeURIComponent(name)}`;
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => routeOf(location.hash));
  useEffect(() => {
    const onChange = (): void => {
      setRoute(routeOf(location.hash));
      window.scrollTo(0, 0);
    };
    addEventListener('hashchange', onChange);
    return () => {
      removeEventListener('hashchange', onChange);
    };
  }, []);
  return route;
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
