/** One topic: its figures, its groups, what lies in it, and all that can be done with it. */
import { useState } from 'preact/hooks';
import type { TopicState } from '../../src/monitor/shapes.js';
import { Mask } from '../../src/protocol/masks.js';
import type { Live } from '../model/live.js';
import { bytesText, countText, rateText } from '../model/text.js';
import { Chart } from '../parts/chart.js';
import { Confirm } from '../parts/dialog.js';
import { Figure, Masks, Time } from '../parts/figures.js';
import { DeclareDialog } from './declare.js';
import { Groups } from './groups.js';
import { Messages } from './messages.js';
import { useHistory } from './overview.js';
import { ProduceDialog } from './produce.js';

export interface TopicProps {
  readonly live: Live;
  readonly name: string;
}

export function TopicView({ live, name }: TopicProps) {
  const topic = live.topics.get(name);
  const past = useHistory(live, topic === undefined ? null : name);
  if (topic === undefined) {
    return (
      <>
        <h1>{name}</h1>
        <p>
          There is no such topic on this broker. <a href="#/topics">All topics</a>
        </p>
      </>
    );
  }
  return (
    <>
      <h1>
        {topic.name} <Masks mask={topic.mask} />
      </h1>
      <Actions live={live} topic={topic} />
      <Figures topic={topic} />
      {past !== null && past.fine.produced.length > 0 && past.coarse === null && (
        <div class="charts">
          <Chart
            title="Messages"
            series={past.fine}
            lines={topic.rpc === null ? ['produced', 'delivered'] : ['rpc']}
          />
          <Chart title="Backlog" series={past.fine} lines={['backlogCount']} />
        </div>
      )}
      <Groups live={live} topic={topic} />
      {topic.rpc === null && live.may('consume') && <Messages live={live} topic={topic} />}
    </>
  );
}

function Figures({ topic }: { readonly topic: TopicState }) {
  const { rates, rpc } = topic;
  if (rpc !== null) {
    return (
      <dl class="figures">
        <Figure name="Calls" value={rateText(rates.rpc)} />
        <Figure name="Waiting" value={countText(rpc.queuedCount)} />
        <Figure name="In hand" value={countText(rpc.inHandCount)} />
        <Figure name="Answered" value={countText(rpc.answeredCount)} />
        <Figure name="Timed out" value={countText(rpc.timedOutCount)} />
        <Figure name="No service" value={countText(rpc.unservedCount)} />
        <Figure name="Failed" value={countText(rpc.failedCount)} />
        <Figure name="Refused" value={countText(rpc.refusedCount)} />
      </dl>
    );
  }
  return (
    <dl class="figures">
      <Figure name="In" value={rateText(rates.produced)} />
      <Figure name="Out" value={rateText(rates.delivered)} />
      <Figure name="Messages" value={countText(topic.messageCount)} />
      <Figure name="Stored" value={bytesText(topic.storedBytes)} />
      <Figure name="Offsets" value={`${topic.firstOffset} … ${topic.nextOffset}`} />
      <Figure name="Made" value={<Time atMs={topic.createdAtMs} />} />
      {topic.readOnly && <Figure name="Disk failed" value="read only" />}
      {topic.lostCount > 0 && <Figure name="Damaged" value={countText(topic.lostCount)} />}
    </dl>
  );
}

type Action = 'produce' | 'declare' | 'empty' | 'remove';

function Actions({ live, topic }: { readonly live: Live; readonly topic: TopicState }) {
  const [action, setAction] = useState<Action | null>(null);
  const close = (): void => setAction(null);
  const paused = (topic.mask & Mask.pause) !== 0;
  const { bus } = live;
  return (
    <p class="tools">
      {live.may('produce') && topic.rpc === null && (
        <button class="primary" onClick={() => setAction('produce')}>
          Produce
        </button>
      )}
      {live.may('declare') && (
        <>
          <button
            onClick={() => void bus?.declare(topic.name, { topicMask: topic.mask ^ Mask.pause })}
          >
            {paused ? 'Resume' : 'Pause'}
          </button>
          <button onClick={() => setAction('declare')}>Settings</button>
        </>
      )}
      {live.may('empty') && <button onClick={() => setAction('empty')}>Empty</button>}
      {live.may('remove') && <button onClick={() => setAction('remove')}>Remove</button>}
      {action === 'produce' && <ProduceDialog live={live} topic={topic.name} onClose={close} />}
      {action === 'declare' && <DeclareDialog live={live} topic={topic} onClose={close} />}
      {action === 'empty' && (
        <Confirm
          title={`Empty ${topic.name}`}
          text={`All ${countText(topic.messageCount)} messages are deleted, for all groups.`}
          typed={topic.name}
          action="Empty it"
          onConfirm={async () => bus?.client.empty(topic.name)}
          onClose={close}
        />
      )}
      {action === 'remove' && (
        <Confirm
          title={`Remove ${topic.name}`}
          text="The topic, its messages and its groups are deleted."
          typed={topic.name}
          action="Remove it"
          onConfirm={async () => {
            await bus?.client.remove(topic.name);
            location.hash = '#/topics';
          }}
          onClose={close}
        />
      )}
    </p>
  );
}
