/**
 * `zbus rpc serve`: the functions of a module file as a service. Promises that Ctrl-C answers what
 * is in hand before it ends, and that what cannot be served is said before a broker is asked.
 */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ServeOptions } from '../client/bus.js';
import type { RpcProcessor } from '../client/rpc/rpc-processor.js';
import { methodOf } from '../client/rpc/rpc-service.js';
import { withBus } from './client-command.js';
import type { ConnectionFlags } from './connection-options.js';
import { CommandError, note } from './outcome.js';

interface ServeFlags extends ConnectionFlags {
  readonly module?: string;
  readonly group?: string;
  readonly concurrency: number;
}

/** What is in hand at Ctrl-C may take this long; then it is answered with an error. */
const ANSWER_TIME_MS = 5000;

interface Offer {
  /** An object with methods, or a function that gets every call. */
  readonly service: object;
  readonly methods: readonly string[];
}

export async function serveModule(topic: string, file: string, flags: ServeFlags): Promise<void> {
  const { service, methods } = offerOf(await load(file), file);
  await withBus(
    flags,
    async (bus, interrupted) => {
      const processor = await bus.serve(topic, service, optionsOf(flags));
      const what = typeof service === 'function' ? 'every call' : methods.join(', ');
      note(`serves ${what} of ${topic} from ${file}; Ctrl-C ends it`);
      await untilEnd(processor, interrupted);
    },
    { onInterrupt: 'finish' },
  );
}

function optionsOf({ module, group, concurrency }: ServeFlags): ServeOptions<object> {
  return {
    concurrency,
    ...(module === undefined ? {} : { module }),
    ...(group === undefined ? {} : { group }),
  };
}

async function untilEnd(processor: RpcProcessor, interrupted: AbortSignal): Promise<void> {
  const stop = new Promise<null>((end) => {
    if (interrupted.aborted) end(null);
    interrupted.addEventListener('abort', () => {
      end(null);
    });
  });
  const error = await Promise.race([processor.ended, stop]);
  if (error !== null) throw error;
  const inHand = processor.inHandCount;
  if (inHand > 0) note(`stops; answers the ${inHand} calls in hand`);
  await processor.close({ timeoutMs: ANSWER_TIME_MS });
}

async function load(file: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    return (await import(pathToFileURL(resolve(file)).href)) as Readonly<Record<string, unknown>>;
  } catch (cause) {
    const reason = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
    throw new CommandError(`cannot load ${file}: ${reason}`, { cause });
  }
}

/** The default export of CommonJS is all that it exports. Throws CommandError. */
function offerOf(module: Readonly<Record<string, unknown>>, file: string): Offer {
  const byDefault = module.default;
  if (typeof byDefault === 'function') {
    // A class is called with new alone, which no call does.
    if (!/^class\b/.test(Function.prototype.toString.call(byDefault))) {
      return { service: byDefault, methods: [] };
    }
    throw new CommandError(`${file} exports a class: export an instance of it as default`);
  }
  const service = typeof byDefault === 'object' && byDefault !== null ? byDefault : { ...module };
  const methods = methodsOf(service);
  if (methods.length > 0) return { service, methods };
  throw new CommandError(`${file} exports no function that could be a method`);
}

function methodsOf(service: object): string[] {
  const names = new Set<string>();
  for (
    let holder: object | null = service;
    holder !== null && holder !== Object.prototype;
    holder = Object.getPrototypeOf(holder) as object | null
  ) {
    for (const name of Object.getOwnPropertyNames(holder)) {
      if (methodOf(service, name) !== null) names.add(name);
    }
  }
  return [...names].sort();
}
