/** All topics of this broker and of those it knows: searched, sorted, and drawn as far as seen. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Live } from '../model/live.js';
import { topicHref } from '../model/route.js';
import { bytesText, countText, rateText } from '../model/text.js';
import { Masks } from '../parts/figures.js';
import { DeclareDialog } from './declare.js';
import { pageOf } from './overview.js';

interface Row {
  readonly key: string;
  readonly name: string;
  readonly href: string;
  readonly server: string;
  readonly mask: number;
  readonly messages: number;
  /** null: not told by a tracker. */
  readonly bytes: number | null;
  readonly produced: number | null;
  readonly delivered: number | null;
  readonly groups: number;
  readonly backlog: number;
  readonly consumers: number;
  readonly inFlight: number;
  readonly filters: string;
}

type Column = keyof Omit<Row, 'key' | 'href' | 'mask'>;

const COLUMNS: readonly (readonly [column: Column, name: string, isNumber: boolean])[] = [
  ['name', 'Topic', false],
  ['messages', 'Messages', true],
  ['bytes', 'Bytes', true],
  ['produced', 'In', true],
  ['delivered', 'Out', true],
  ['groups', 'Groups', true],
  ['backlog', 'Backlog', true],
  ['consumers', 'Consumers', true],
  ['inFlight', 'In flight', true],
  ['filters', 'Filter', false],
  ['server', 'Server', false],
];
const ROW_HEIGHT = 36;
/** Drawn above and below what is seen, so that scrolling shows no gap. */
const SPARE_ROWS = 20;

export function Topics({ live }: { readonly live: Live }) {
  const [search, setSearch] = useState('');
  const [server, setServer] = useState('');
  const [sort, setSort] = useState<{ column: Column; down: boolean }>({
    column: 'name',
    down: false,
  });
  const [declaring, setDeclaring] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  useSlash(input);
  const rows = useMemo(() => rowsOf(live), [live.server, live.others]);
  const servers = [...new Set(rows.map((row) => row.server))];
  const wanted = search.toLowerCase();
  const shown = rows
    .filter((row) => row.name.toLowerCase().includes(wanted))
    .filter((row) => server === '' || row.server === server)
    .sort((a, b) => compare(a[sort.column], b[sort.column]) * (sort.down ? -1 : 1));
  return (
    <>
      <h1>Topics</h1>
      <p class="tools">
        <label>
          Search{' '}
          <input
            ref={input}
            type="search"
            value={search}
            placeholder="press / to search"
            onInput={(event) => setSearch(event.currentTarget.value)}
          />
        </label>
        {servers.length > 1 && (
          <label>
            Server{' '}
            <select value={server} onChange={(event) => setServer(event.currentTarget.value)}>
              <option value="">all</option>
              {servers.map((one) => (
                <option key={one}>{one}</option>
              ))}
            </select>
          </label>
        )}
        <span role="status">
          {countText(shown.length)} of {countText(rows.length)} topics
        </span>
        {live.may('declare') && <button onClick={() => setDeclaring(true)}>New topic</button>}
      </p>
      {rows.length === 0 ? (
        <p>
          There are no topics. <a href="#/try">Try it</a> shows how to make one.
        </p>
      ) : (
        <Table rows={shown} sort={sort} onSort={setSort} />
      )}
      {declaring && <DeclareDialog live={live} topic={null} onClose={() => setDeclaring(false)} />}
    </>
  );
}

interface TableProps {
  readonly rows: readonly Row[];
  readonly sort: { column: Column; down: boolean };
  readonly onSort: (sort: { column: Column; down: boolean }) => void;
}

function Table({ rows, sort, onSort }: TableProps) {
  const body = useRef<HTMLTableSectionElement>(null);
  const [first, count] = useWindow(body, rows.length);
  const seen = rows.slice(first, first + count);
  return (
    <div class="scroll">
      <table class="topics" aria-rowcount={rows.length + 1}>
        <thead>
          <tr>
            {COLUMNS.map(([column, name, isNumber]) => (
              <th
                key={column}
                scope="col"
                class={isNumber ? 'number' : ''}
                aria-sort={ariaSort(sort, column)}
              >
                <button
                  class="sort"
                  onClick={() => onSort({ column, down: sort.column === column && !sort.down })}
                >
                  {name}
                </button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody ref={body}>
          <tr class="space" style={{ height: `${first * ROW_HEIGHT}px` }} aria-hidden="true" />
          {seen.map((row, i) => (
            <TopicRow key={row.key} row={row} index={first + i + 2} />
          ))}
          <tr
            class="space"
            style={{ height: `${(rows.length - first - seen.length) * ROW_HEIGHT}px` }}
            aria-hidden="true"
          />
        </tbody>
      </table>
    </div>
  );
}

function TopicRow({ row, index }: { readonly row: Row; readonly index: number }) {
  return (
    <tr class="row" aria-rowindex={index}>
      <th scope="row">
        <a href={row.href}>{row.name}</a> <Masks mask={row.mask} />
      </th>
      <td class="number">{countText(row.messages)}</td>
      <td class="number">{row.bytes === null ? '–' : bytesText(row.bytes)}</td>
      <td class="number">{row.produced === null ? '–' : rateText(row.produced)}</td>
      <td class="number">{row.delivered === null ? '–' : rateText(row.delivered)}</td>
      <td class="number">{countText(row.groups)}</td>
      <td class="number">{countText(row.backlog)}</td>
      <td class="number">{countText(row.consumers)}</td>
      <td class="number">{countText(row.inFlight)}</td>
      <td>{row.filters}</td>
      <td>{row.server}</td>
    </tr>
  );
}

function ariaSort(sort: TableProps['sort'], column: Column): 'ascending' | 'descending' | 'none' {
  if (sort.column !== column) return 'none';
  return sort.down ? 'descending' : 'ascending';
}

/** Which rows are to be drawn, by where the page is scrolled to. */
function useWindow(body: { current: HTMLElement | null }, length: number): [number, number] {
  const [range, setRange] = useState<[number, number]>([0, 60]);
  useEffect(() => {
    const measure = (): void => {
      const top = body.current?.getBoundingClientRect().top ?? 0;
      const above = Math.max(0, Math.floor(-top / ROW_HEIGHT) - SPARE_ROWS);
      const first = Math.min(above, Math.max(0, length - 1));
      setRange([first, Math.ceil(innerHeight / ROW_HEIGHT) + 2 * SPARE_ROWS]);
    };
    measure();
    addEventListener('scroll', measure, { passive: true });
    addEventListener('resize', measure);
    return () => {
      removeEventListener('scroll', measure);
      removeEventListener('resize', measure);
    };
  }, [length]);
  return range;
}

function useSlash(input: { current: HTMLInputElement | null }): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      const { target } = event;
      const typing =
        target instanceof HTMLElement && /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
      if (event.key !== '/' || typing) return;
      event.preventDefault();
      input.current?.focus();
    };
    addEventListener('keydown', onKey);
    return () => {
      removeEventListener('keydown', onKey);
    };
  }, []);
}

function compare(a: string | number | null, b: string | number | null): number {
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : a > b ? 1 : 0;
  return Number(a ?? -1) - Number(b ?? -1);
}

function rowsOf(live: Live): Row[] {
  const own = live.server?.address ?? '';
  const rows = Array.from(live.topics.values(), (topic): Row => {
    const { groups, rates } = topic;
    return {
      key: `${own} ${topic.name}`,
      name: topic.name,
      href: topicHref(topic.name),
      server: own,
      mask: topic.mask,
      messages: topic.messageCount,
      bytes: topic.storedBytes,
      produced: topic.rpc === null ? rates.produced : rates.rpc,
      delivered: rates.delivered,
      groups: groups.length,
      backlog: groups.reduce((sum, { backlogCount }) => sum + backlogCount, 0),
      consumers: groups.reduce((sum, { consumers }) => sum + consumers.length, 0),
      inFlight: groups.reduce((sum, { inFlightCount }) => sum + inFlightCount, 0),
      filters: filtersOf(groups),
    };
  });
  for (const other of live.others) {
    for (const topic of Object.values(other.info?.topicTable ?? {})) {
      const groups = topic.consumeGroupList;
      rows.push({
        key: `${other.key} ${topic.topicName}`,
        name: topic.topicName,
        href: pageOf(other) + topicHref(topic.topicName),
        server: other.key,
        mask: topic.mask,
        messages: topic.messageDepth,
        bytes: topic.storedBytes ?? null,
        produced: null,
        delivered: null,
        groups: groups.length,
        backlog: groups.reduce((sum, { messageCount }) => sum + messageCount, 0),
        consumers: topic.consumerCount,
        inFlight: groups.reduce((sum, { inFlightCount = 0 }) => sum + inFlightCount, 0),
        filters: filtersOf(groups),
      });
    }
  }
  return rows;
}

function filtersOf(groups: readonly { readonly filter: string }[]): string {
  return groups
    .map(({ filter }) => filter)
    .filter((filter) => filter !== '')
    .join(', ');
}
