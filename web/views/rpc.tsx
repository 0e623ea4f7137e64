/** The services that this broker carries calls to, and a form to call one. */
import { useState } from 'preact/hooks';
import type { TopicState } from '../../src/monitor/shapes.js';
import type { Live } from '../model/live.js';
import { topicHref } from '../model/route.js';
import { countText, durationText, rateText } from '../model/text.js';
import { ActionForm } from '../parts/dialog.js';

export function Rpc({ live }: { readonly live: Live }) {
  const services = [...live.topics.values()].filter(({ rpc }) => rpc !== null);
  return (
    <>
      <h1>RPC</h1>
      {services.length === 0 ? (
        <p>
          No topic carries RPC. <code>zbus rpc serve</code> makes one, and <code>bus.serve</code>.
        </p>
      ) : (
        <Services services={services} />
      )}
      {live.may('rpc') && services.length > 0 && <Caller live={live} services={services} />}
    </>
  );
}

const COLUMNS = ['Calls', 'Services', 'Waiting', 'Answered', 'Timed out', 'No service', 'Failed'];

function Services({ services }: { readonly services: readonly TopicState[] }) {
  return (
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th scope="col">Topic</th>
            {COLUMNS.map((name) => (
              <th key={name} scope="col" class="number">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {services.map(({ name, rates, groups, rpc }) => (
            <tr key={name}>
              <th scope="row">
                <a href={topicHref(name)}>{name}</a>
              </th>
              <td class="number">{rateText(rates.rpc)}</td>
              <td class="number">
                {countText(groups.reduce((sum, { consumers }) => sum + consumers.length, 0))}
              </td>
              <td class="number">{countText(rpc?.queuedCount ?? 0)}</td>
              <td class="number">{countText(rpc?.answeredCount ?? 0)}</td>
              <td class="number">{countText(rpc?.timedOutCount ?? 0)}</td>
              <td class="number">{countText(rpc?.unservedCount ?? 0)}</td>
              <td class="number">{countText(rpc?.failedCount ?? 0)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface Called {
  readonly what: string;
  readonly ms: number;
  readonly result: string;
  readonly failed: boolean;
}

const HISTORY_MAX = 20;

function Caller({ live, services }: { live: Live; services: readonly TopicState[] }) {
  const [topic, setTopic] = useState(services[0]?.name ?? '');
  const [module, setModule] = useState('');
  const [method, setMethod] = useState('');
  const [params, setParams] = useState('[]');
  const [calls, setCalls] = useState<readonly Called[]>([]);
  const submit = async (): Promise<void> => {
    const list = readParams(params);
    const what = `${topic} ${module === '' ? '' : `${module}.`}${method}(${params})`;
    const beganMs = performance.now();
    const ended = (result: string, failed: boolean): void => {
      const call = { what, ms: performance.now() - beganMs, result, failed };
      setCalls((before) => [call, ...before].slice(0, HISTORY_MAX));
    };
    try {
      const remote = live.bus?.rpc(topic, { module });
      const result: unknown = await remote?.[method]?.(...list);
      ended(result === undefined ? 'nothing' : JSON.stringify(result, null, 2), false);
    } catch (error) {
      ended(error instanceof Error ? `${error.name}: ${error.message}` : String(error), true);
    }
  };
  return (
    <section>
      <h2>Call</h2>
      <ActionForm action="Call" cancel="Clear" onSubmit={submit} onCancel={() => setCalls([])}>
        <div class="tools">
          <label>
            Topic{' '}
            <select value={topic} onChange={(event) => setTopic(event.currentTarget.value)}>
              {services.map(({ name }) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
          <label>
            Module{' '}
            <input value={module} onInput={(event) => setModule(event.currentTarget.value)} />
          </label>
          <label>
            Method{' '}
            <input
              required
              value={method}
              onInput={(event) => setMethod(event.currentTarget.value)}
            />
          </label>
          <label>
            Parameters, a JSON list{' '}
            <input value={params} onInput={(event) => setParams(event.currentTarget.value)} />
          </label>
        </div>
      </ActionForm>
      <ol class="calls" aria-label="Calls made" aria-live="polite">
        {calls.map((call, i) => (
          <li key={calls.length - i}>
            <code>{call.what}</code> {call.failed ? 'failed' : 'answered'} after{' '}
            {durationText(call.ms)}
            <pre class={call.failed ? 'problem' : ''}>{call.result}</pre>
          </li>
        ))}
      </ol>
    </section>
  );
}

function readParams(text: string): unknown[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = null;
  }
  if (Array.isArray(value)) return value;
  throw new Error('The parameters must be a JSON list, such as [1, "two"]');
}
