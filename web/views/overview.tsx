/** How the broker is: rates, backlog, disk, what is wrong, and the other brokers it knows. */
import { useEffect, useState } from 'preact/hooks';
import type { Alarm, History, ServerState } from '../../src/monitor/shapes.js';
import { history } from '../model/commands.js';
import type { Live, OtherServer } from '../model/live.js';
import { topicHref } from '../model/route.js';
import { bytesText, countText, durationText, rateText, shareText } from '../model/text.js';
import { Chart } from '../parts/chart.js';
import { Figure } from '../parts/figures.js';
import { Snippets } from './try-it.js';

export function Overview({ live }: { readonly live: Live }) {
  const { server } = live;
  const past = useHistory(live, null);
  const [hour, setHour] = useState(false);
  if (server === null) return null;
  const series = hour ? past?.coarse : past?.fine;
  return (
    <>
      <h1>Overview</h1>
      <Alarms alarms={live.alarms} />
      <Figures server={server} nowMs={Date.now() + live.clockOffsetMs} />
      <section>
        <h2>Traffic</h2>
        <p class="choice" role="group" aria-label="Time shown">
          <button aria-pressed={!hour} onClick={() => setHour(false)}>
            5 minutes
          </button>
          <button aria-pressed={hour} onClick={() => setHour(true)}>
            1 hour
          </button>
        </p>
        {series !== undefined && series !== null && (
          <div class="charts" key={String(hour)}>
            <Chart title="Messages" series={series} lines={['produced', 'delivered']} />
            <Chart title="Calls" series={series} lines={['rpc']} />
            <Chart title="Backlog" series={series} lines={['backlogCount']} />
          </div>
        )}
      </section>
      <Servers live={live} />
      {server.topicCount === 0 && (
        <section>
          <h2>No topics yet</h2>
          <p>Make one and send it a message:</p>
          <Snippets live={live} topic="hello" />
        </section>
      )}
    </>
  );
}

/** Of the server, or of a topic; asked for once, and again as the seconds pass. */
export function useHistory(live: Live, topic: string | null): History | null {
  const [past, setPast] = useState<History | null>(null);
  const { server } = live;
  useEffect(() => {
    let over = false;
    if (live.bus === null) return undefined;
    history(live.bus, topic).then(
      (answer) => {
        if (!over) setPast(answer);
      },
      () => undefined,
    );
    return () => {
      over = true;
    };
  }, [server, topic]);
  return past;
}

function Figures({ server, nowMs }: { readonly server: ServerState; readonly nowMs: number }) {
  const { rates, disk } = server;
  return (
    <dl class="figures">
      <Figure
        name="In"
        value={rateText(rates.produced)}
        title={`${bytesText(rates.producedBytes)}/s`}
      />
      <Figure name="Out" value={rateText(rates.delivered)} />
      <Figure name="Calls" value={rateText(rates.rpc)} />
      <Figure name="Backlog" value={countText(server.backlogCount)} />
      <Figure name="In flight" value={countText(server.inFlightCount)} />
      <Figure name="Topics" value={countText(server.topicCount)} />
      <Figure name="Connections" value={countText(server.connectionCount)} />
      <Figure name="Stored" value={bytesText(server.storedBytes)} />
      {disk !== null && (
        <Figure
          name="Disk free"
          value={bytesText(disk.freeBytes)}
          title={`of ${bytesText(disk.totalBytes)}`}
        />
      )}
      <Figure name="Memory" value={bytesText(server.memoryBytes)} />
      <Figure name="Busy" value={shareText(server.loopBusy)} title="share of the last second" />
      <Figure name="Up" value={durationText(nowMs - server.startedAtMs)} />
      <Figure name="Deletes by itself" value={server.retention ?? 'nothing'} />
    </dl>
  );
}

function Alarms({ alarms }: { readonly alarms: readonly Alarm[] }) {
  if (alarms.length === 0) return <p class="fine">Nothing is wrong.</p>;
  return (
    <ul class="alarms" aria-label="Alarms">
      {alarms.map((alarm) => (
        <li key={`${alarm.code} ${alarm.topic ?? ''} ${alarm.group ?? ''}`} class={alarm.level}>
          <strong>{alarm.level}</strong>{' '}
          {alarm.topic !== null && <a href={topicHref(alarm.topic)}>{alarm.topic}</a>}
          {alarm.group !== null && ` group ${alarm.group}`} {alarm.text}.{' '}
          <span class="advice">{alarm.whatToDo}.</span>
        </li>
      ))}
    </ul>
  );
}

function Servers({ live }: { readonly live: Live }) {
  if (live.others.length === 0) return null;
  return (
    <section>
      <h2>Other brokers</h2>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Address</th>
              <th scope="col">Version</th>
              <th scope="col" class="number">
                Topics
              </th>
            </tr>
          </thead>
          <tbody>
            {live.others.map((other) => (
              <tr key={other.key}>
                <th scope="row">
                  <a href={pageOf(other)}>{other.key}</a>
                </th>
                <td>{other.info?.serverVersion ?? 'not known'}</td>
                <td class="number">
                  {countText(Object.keys(other.info?.topicTable ?? {}).length)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

export function pageOf({ key, info }: OtherServer): string {
  const { address = key, sslEnabled = false } = info?.serverAddress ?? {};
  return `${sslEnabled ? 'https' : 'http'}://${address}/`;
}
