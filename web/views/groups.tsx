/** The consume groups of a topic: where each stands, who consumes, and what can be done. */
import { useState } from 'preact/hooks';
import type { GroupState, TopicState } from '../../src/monitor/shapes.js';
import { Mask } from '../../src/protocol/masks.js';
import type { Live } from '../model/live.js';
import { topicHref } from '../model/route.js';
import { countText, durationText } from '../model/text.js';
import { Confirm } from '../parts/dialog.js';
import { Masks } from '../parts/figures.js';
import { GroupDialog, SeekDialog } from './declare.js';

export interface GroupsProps {
  readonly live: Live;
  readonly topic: TopicState;
}

export function Groups({ live, topic }: GroupsProps) {
  const [making, setMaking] = useState(false);
  return (
    <section>
      <h2>Groups</h2>
      {live.may('declare') && (
        <p class="tools">
          <button onClick={() => setMaking(true)}>New group</button>
        </p>
      )}
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Group</th>
              <th scope="col">Filter</th>
              <th scope="col" class="number">
                Position
              </th>
              <th scope="col" class="number">
                Backlog
              </th>
              <th scope="col" class="number">
                In flight
              </th>
              <th scope="col" class="number">
                Oldest
              </th>
              <th scope="col">Consumers</th>
              <th scope="col">Actions</th>
            </tr>
          </thead>
          <tbody>
            {topic.groups.map((group) => (
              <GroupRow key={group.name} live={live} topic={topic} group={group} />
            ))}
          </tbody>
        </table>
      </div>
      {making && (
        <GroupDialog live={live} topic={topic.name} group={null} onClose={() => setMaking(false)} />
      )}
    </section>
  );
}

interface RowProps extends GroupsProps {
  readonly group: GroupState;
}

function GroupRow({ live, topic, group }: RowProps) {
  const { consumers, oldestInFlightMs } = group;
  return (
    <tr>
      <th scope="row">
        {group.name} <Masks mask={group.mask} />
        {group.deadCount > 0 && (
          <div>
            <a href={topicHref(group.deadTopic)}>{countText(group.deadCount)} dead</a>
          </div>
        )}
        {group.lostCount > 0 && <div>{countText(group.lostCount)} lost</div>}
      </th>
      <td>{group.filter}</td>
      <td class="number">{group.position}</td>
      <td class="number">{countText(group.backlogCount)}</td>
      <td class="number">{countText(group.inFlightCount)}</td>
      <td class="number">{oldestInFlightMs === null ? '–' : durationText(oldestInFlightMs)}</td>
      <td title={consumers.join('\n')}>
        {consumers.length === 0 ? 'none' : consumers.slice(0, 3).join(' ')}
        {consumers.length > 3 && ` and ${consumers.length - 3} more`}
      </td>
      <td>
        <GroupActions live={live} topic={topic} group={group} />
      </td>
    </tr>
  );
}

type Action = 'settings' | 'seek' | 'redrive' | 'empty' | 'remove';

function GroupActions({ live, topic, group }: RowProps) {
  const [action, setAction] = useState<Action | null>(null);
  const close = (): void => setAction(null);
  const { bus } = live;
  const names = { group: group.name };
  const isMessages = topic.rpc === null;
  return (
    <div class="row-actions">
      {live.may('declare') && (
        <>
          <button
            aria-label={`${group.paused ? 'Resume' : 'Pause'} ${group.name}`}
            disabled={(topic.mask & Mask.pause) !== 0}
            onClick={() =>
              void bus?.declare(topic.name, { ...names, mask: group.mask ^ Mask.pause })
            }
          >
            {group.paused ? 'Resume' : 'Pause'}
          </button>
          {isMessages && <button onClick={() => setAction('seek')}>Move</button>}
          <button onClick={() => setAction('settings')}>Settings</button>
          {group.explicitAcks && <button onClick={() => setAction('redrive')}>Redrive</button>}
        </>
      )}
      {live.may('empty') && isMessages && (
        <button onClick={() => setAction('empty')}>Skip all</button>
      )}
      {live.may('remove') && <button onClick={() => setAction('remove')}>Remove</button>}
      {action === 'settings' && (
        <GroupDialog live={live} topic={topic.name} group={group} onClose={close} />
      )}
      {action === 'seek' && <SeekDialog live={live} topic={topic} group={group} onClose={close} />}
      {action === 'redrive' && (
        <Confirm
          title={`Redrive ${group.name}`}
          text={`All messages of ${group.deadTopic} that died in this group are sent to it again.`}
          typed={null}
          action="Send them back"
          onConfirm={async () => bus?.client.redrive(topic.name, names)}
          onClose={close}
        />
      )}
      {action === 'empty' && (
        <Confirm
          title={`Skip all in ${group.name}`}
          text={`The group moves to the end: ${countText(group.backlogCount)} messages are passed.`}
          typed={group.name}
          action="Skip them"
          onConfirm={async () => bus?.client.empty(topic.name, names)}
          onClose={close}
        />
      )}
      {action === 'remove' && (
        <Confirm
          title={`Remove group ${group.name}`}
          text="Its position is forgotten. The messages of the topic stay."
          typed={group.name}
          action="Remove it"
          onConfirm={async () => bus?.client.remove(topic.name, names)}
          onClose={close}
        />
      )}
    </div>
  );
}
