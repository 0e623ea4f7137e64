/** The messages of a topic, looked at without consuming: by offset, time, tag or text, or live. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Browsed, BrowsedMessage, TopicState } from '../../src/monitor/shapes.js';
import { browse, type BrowseQuery } from '../model/commands.js';
import type { Live } from '../model/live.js';
import { bytesText, countText } from '../model/text.js';
import { Time } from '../parts/figures.js';
import { MessageDialog } from './message.js';

export interface MessagesProps {
  readonly live: Live;
  readonly topic: TopicState;
}

const PAGE = 50;
/** Live, no more than these are kept. */
const KEPT_MAX = 500;
const PREVIEW = 160;

interface Found {
  readonly messages: readonly BrowsedMessage[];
  readonly continueAt: number | null;
  readonly scanned: number;
}

const NOTHING: Found = { messages: [], continueAt: null, scanned: 0 };

export function Messages({ live, topic }: MessagesProps) {
  const [query, setQuery] = useState<BrowseQuery>(newest);
  const [following, setFollowing] = useState(false);
  const [opened, setOpened] = useState<BrowsedMessage | null>(null);
  const search = useSearch(live, topic, query, following);
  const { found, busy, problem } = search;
  return (
    <section>
      <h2>Messages</h2>
      <SearchForm onSearch={setQuery} following={following} onFollow={setFollowing} />
      <p role="status">
        {busy ? `Searching, ${countText(found.scanned)} looked at ` : ''}
        {busy && <button onClick={search.cancel}>Stop</button>}
        {!busy && found.messages.length === 0 && 'No messages found.'}
      </p>
      <p class="problem" role="alert">
        {problem}
      </p>
      {found.messages.length > 0 && <List messages={found.messages} onOpen={setOpened} />}
      {!busy && !following && found.continueAt !== null && (
        <p>
          <button onClick={search.more}>More</button>
        </p>
      )}
      {opened !== null && (
        <MessageDialog
          live={live}
          topic={topic.name}
          message={opened}
          onClose={() => setOpened(null)}
        />
      )}
    </section>
  );
}

function newest(): BrowseQuery {
  return { backward: true, limit: PAGE, filter: '', text: '' };
}

interface Search {
  readonly found: Found;
  readonly busy: boolean;
  readonly problem: string;
  readonly more: () => void;
  readonly cancel: () => void;
}

/** Goes on where the broker has stopped looking, until a page is full or the log ends. */
function useSearch(live: Live, topic: TopicState, query: BrowseQuery, following: boolean): Search {
  const [found, setFound] = useState(NOTHING);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState('');
  const running = useRef<AbortController | null>(null);
  /** Everything before was there when it was looked for last. */
  const seen = useRef(topic.nextOffset);
  const run = async (from: BrowseQuery, before: Found, newestFirst: boolean): Promise<void> => {
    const { bus } = live;
    if (bus === null) return;
    running.current?.abort();
    const control = new AbortController();
    running.current = control;
    setBusy(true);
    setProblem('');
    let state = before;
    let next = from;
    try {
      for (let count = 0; count < PAGE;) {
        const answer = await browse(bus, topic.name, next, control.signal);
        state = joined(state, answer, newestFirst);
        seen.current = newestFirst ? (answer.continueAt ?? answer.nextOffset) : answer.nextOffset;
        setFound(state);
        count += answer.messages.length;
        if (answer.continueAt === null) break;
        next = { ...next, offset: answer.continueAt };
      }
    } catch (error) {
      if (!control.signal.aborted) setProblem(error instanceof Error ? error.message : '');
    }
    if (running.current === control) setBusy(false);
  };
  useEffect(() => {
    void run(query, NOTHING, false);
    return () => running.current?.abort();
  }, [query]);
  // Again each second: what is counted may not be readable yet.
  useEffect(() => {
    if (!following || busy || topic.nextOffset <= seen.current) return;
    const offset = Math.max(seen.current, topic.nextOffset - KEPT_MAX);
    void run({ ...query, offset, timeMs: undefined, backward: false }, found, true);
  }, [live.server, following]);
  return {
    found,
    busy,
    problem,
    more: () => {
      if (found.continueAt !== null) {
        void run({ ...query, offset: found.continueAt, timeMs: undefined }, found, false);
      }
    },
    cancel: () => {
      running.current?.abort();
      setBusy(false);
    },
  };
}

function joined(before: Found, answer: Browsed, newestFirst: boolean): Found {
  const messages = newestFirst
    ? [...answer.messages].reverse().concat(before.messages).slice(0, KEPT_MAX)
    : before.messages.concat(answer.messages);
  return {
    messages,
    continueAt: answer.continueAt,
    scanned: before.scanned + answer.scannedCount,
  };
}

interface SearchFormProps {
  readonly onSearch: (query: BrowseQuery) => void;
  readonly following: boolean;
  readonly onFollow: (following: boolean) => void;
}

type From = 'newest' | 'oldest' | 'offset' | 'time';

interface Start {
  readonly from: From;
  readonly offset: string;
  readonly time: string;
}

function SearchForm({ onSearch, following, onFollow }: SearchFormProps) {
  const [start, setStart] = useState<Start>({ from: 'newest', offset: '0', time: '' });
  const [filter, setFilter] = useState('');
  const [text, setText] = useState('');
  const submit = (): void => {
    onSearch({
      backward: start.from === 'newest',
      limit: PAGE,
      filter,
      text,
      offset: start.from === 'offset' ? Number(start.offset) : undefined,
      timeMs: start.from === 'time' ? new Date(start.time).getTime() : undefined,
    });
  };
  return (
    <form
      class="tools"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <StartFields start={start} onChange={setStart} />
      <label>
        Tag{' '}
        <input
          value={filter}
          placeholder="orders.*"
          onInput={(event) => setFilter(event.currentTarget.value)}
        />
      </label>
      <label>
        Text{' '}
        <input
          type="search"
          value={text}
          placeholder="in id, headers, body"
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      <button class="primary">Search</button>
      <label class="check">
        <input type="checkbox" checked={following} onChange={() => onFollow(!following)} />
        Follow live
      </label>
    </form>
  );
}

interface StartProps {
  readonly start: Start;
  readonly onChange: (start: Start) => void;
}

function StartFields({ start, onChange }: StartProps) {
  return (
    <>
      <label>
        From{' '}
        <select
          value={start.from}
          onChange={(event) => onChange({ ...start, from: event.currentTarget.value as From })}
        >
          <option value="newest">the newest back</option>
          <option value="oldest">the oldest on</option>
          <option value="offset">an offset on</option>
          <option value="time">a time on</option>
        </select>
      </label>
      {start.from === 'offset' && (
        <label>
          Offset{' '}
          <input
            type="number"
            min={0}
            required
            value={start.offset}
            onInput={(event) => onChange({ ...start, offset: event.currentTarget.value })}
          />
        </label>
      )}
      {start.from === 'time' && (
        <label>
          Time{' '}
          <input
            type="datetime-local"
            step={1}
            required
            value={start.time}
            onInput={(event) => onChange({ ...start, time: event.currentTarget.value })}
          />
        </label>
      )}
    </>
  );
}

interface ListProps {
  readonly messages: readonly BrowsedMessage[];
  readonly onOpen: (message: BrowsedMessage) => void;
}

function List({ messages, onOpen }: ListProps) {
  return (
    <div class="scroll">
      <table class="messages">
        <thead>
          <tr>
            <th scope="col" class="number">
              Offset
            </th>
            <th scope="col">Stored</th>
            <th scope="col">Tag</th>
            <th scope="col" class="number">
              Size
            </th>
            <th scope="col">Body</th>
          </tr>
        </thead>
        <tbody>
          {messages.map((message) => (
            <tr key={message.offset}>
              <th scope="row" class="number">
                <button
                  class="link"
                  aria-label={`Open message ${message.offset}`}
                  onClick={() => onOpen(message)}
                >
                  {message.offset}
                </button>
              </th>
              <td>
                <Time atMs={message.storedAtMs} />
              </td>
              <td>{message.tag}</td>
              <td class="number">{bytesText(message.bodyBytes)}</td>
              <td class="body">
                {message.encoding === 'utf8' ? message.body.slice(0, PREVIEW) : 'binary'}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
