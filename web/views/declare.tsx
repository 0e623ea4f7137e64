/** Makes a topic or a group, or changes one: the command declare as a form. */
import { useState } from 'preact/hooks';
import type { GroupState, TopicState } from '../../src/monitor/shapes.js';
import { Mask } from '../../src/protocol/masks.js';
import type { Live } from '../model/live.js';
import { topicHref } from '../model/route.js';
import { ActionForm, Dialog } from '../parts/dialog.js';

const TOPIC_BITS = [
  [Mask.memory, 'keep messages in memory alone'],
  [Mask.rpc, 'carry RPC instead of messages'],
  [Mask.pause, 'paused: nothing is delivered'],
  [Mask.ackRequired, 'consumers must acknowledge'],
] as const;
const GROUP_BITS = [
  [Mask.pause, 'paused: nothing is delivered'],
  [Mask.exclusive, 'one consumer at a time'],
  [Mask.deleteOnExit, 'remove it with its last consumer'],
  [Mask.ackRequired, 'consumers must acknowledge'],
] as const;
/** What a topic keeps its messages in cannot change. */
const FIXED_BITS = Mask.memory | Mask.rpc;

export interface DeclareProps {
  readonly live: Live;
  /** null: a new one. */
  readonly topic: TopicState | null;
  readonly onClose: () => void;
}

export function DeclareDialog({ live, topic, onClose }: DeclareProps) {
  const [name, setName] = useState('');
  const [mask, setMask] = useState(topic?.mask ?? 0);
  const submit = async (): Promise<void> => {
    await live.bus?.declare(topic?.name ?? name, { topicMask: mask });
    onClose();
    if (topic === null) location.hash = topicHref(name);
  };
  return (
    <Dialog title={topic === null ? 'New topic' : `Topic ${topic.name}`} onClose={onClose}>
      <ActionForm
        action={topic === null ? 'Make it' : 'Change it'}
        onSubmit={submit}
        onCancel={onClose}
      >
        {topic === null && (
          <label>
            Name
            <input
              required
              value={name}
              autocomplete="off"
              onInput={(event) => setName(event.currentTarget.value)}
            />
          </label>
        )}
        <Bits
          bits={TOPIC_BITS}
          mask={mask}
          fixed={topic === null ? 0 : FIXED_BITS}
          onChange={setMask}
        />
      </ActionForm>
    </Dialog>
  );
}

export interface GroupDialogProps {
  readonly live: Live;
  readonly topic: string;
  /** null: a new one. */
  readonly group: GroupState | null;
  readonly onClose: () => void;
}

export function GroupDialog({ live, topic, group, onClose }: GroupDialogProps) {
  const [name, setName] = useState('');
  const [mask, setMask] = useState(group?.mask ?? 0);
  const [filter, setFilter] = useState(group?.filter ?? '');
  const submit = async (): Promise<void> => {
    await live.bus?.declare(topic, { group: group?.name ?? name, mask, filter });
    onClose();
  };
  return (
    <Dialog title={group === null ? 'New group' : `Group ${group.name}`} onClose={onClose}>
      <ActionForm
        action={group === null ? 'Make it' : 'Change it'}
        onSubmit={submit}
        onCancel={onClose}
      >
        {group === null && (
          <label>
            Name
            <input
              required
              value={name}
              autocomplete="off"
              onInput={(event) => setName(event.currentTarget.value)}
            />
          </label>
        )}
        <label>
          Filter of tags (empty takes all)
          <input
            value={filter}
            placeholder="orders.eu.*"
            onInput={(event) => setFilter(event.currentTarget.value)}
          />
        </label>
        <Bits bits={GROUP_BITS} mask={mask} fixed={0} onChange={setMask} />
      </ActionForm>
    </Dialog>
  );
}

interface BitsProps {
  readonly bits: readonly (readonly [bit: number, text: string])[];
  readonly mask: number;
  readonly fixed: number;
  readonly onChange: (mask: number) => void;
}

function Bits({ bits, mask, fixed, onChange }: BitsProps) {
  return (
    <fieldset>
      <legend>Settings</legend>
      {bits.map(([bit, text]) => (
        <label key={bit} class="check">
          <input
            type="checkbox"
            checked={(mask & bit) !== 0}
            disabled={(fixed & bit) !== 0}
            onChange={() => onChange(mask ^ bit)}
          />
          {text}
        </label>
      ))}
    </fieldset>
  );
}

export interface SeekProps {
  readonly live: Live;
  readonly topic: TopicState;
  readonly group: GroupState;
  readonly onClose: () => void;
}

/** Moves a group: to an offset, or to what was stored at a time. */
export function SeekDialog({ live, topic, group, onClose }: SeekProps) {
  const [kind, setKind] = useState<'begin' | 'end' | 'offset' | 'time'>('begin');
  const [offset, setOffset] = useState(String(group.position));
  const [time, setTime] = useState('');
  const submit = async (): Promise<void> => {
    const at = { begin: topic.firstOffset, end: topic.nextOffset, offset: Number(offset), time: 0 };
    const start = kind === 'time' ? { timeMs: new Date(time).getTime() } : { offset: at[kind] };
    await live.bus?.declare(topic.name, { group: group.name, start });
    onClose();
  };
  return (
    <Dialog title={`Move group ${group.name}`} onClose={onClose}>
      <ActionForm action="Move it" onSubmit={submit} onCancel={onClose}>
        <p>It gets everything from there on, also what it was done with.</p>
        <label>
          To
          <select
            value={kind}
            onChange={(event) => setKind(event.currentTarget.value as typeof kind)}
          >
            <option value="begin">the first message</option>
            <option value="end">the end</option>
            <option value="offset">an offset</option>
            <option value="time">a time</option>
          </select>
        </label>
        {kind === 'offset' && (
          <label>
            Offset
            <input
              type="number"
              min={0}
              required
              value={offset}
              onInput={(event) => setOffset(event.currentTarget.value)}
            />
          </label>
        )}
        {kind === 'time' && (
          <label>
            Time
            <input
              type="datetime-local"
              step={1}
              required
              value={time}
              onInput={(event) => setTime(event.currentTarget.value)}
            />
          </label>
        )}
      </ActionForm>
    </Dialog>
  );
}
