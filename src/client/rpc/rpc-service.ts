/**
 * What stands behind a topic: finds the service and the method that a call means, checks its
 * parameters, runs it, and makes the answer of whatever comes of it. Owned by RpcProcessor.
 * Promises to run nothing but the methods of the services themselves, and to answer whatever they
 * do.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { BadRequestError } from '../../errors.js';
import { Header } from '../../protocol/headers.js';
import type { Bytes } from '../../protocol/message.js';
import { type Body, encodeBody } from '../body.js';
import { addOwnHeaders } from '../requests.js';
import { encodeError, type EncodedResult, encodeResult, errorToAnswer } from './convention.js';
import { badParams, RpcError, RpcErrorCode } from './rpc-error.js';
import { RpcReply, type RpcRequest } from './rpc-request.js';

/** Gets every call as it came, and answers with any body, or with an RpcReply. */
export type RpcHandler = (request: RpcRequest) => unknown;

/** Checks the list of parameters of a method before it runs; what it makes of them is passed on. */
export type ParamsSchema<Params = readonly unknown[]> = StandardSchemaV1<unknown, Params>;

/** By method, what its parameters must be. */
export type Schemas<Service> = {
  readonly [Name in keyof Service]?: Service[Name] extends (...params: infer Params) => unknown
    ? ParamsSchema<Params>
    : never;
};

/** What goes out. */
export interface EncodedReply {
  readonly status: number;
  readonly headers: Map<string, string>;
  readonly bytes: Bytes;
}

type Method = (...params: unknown[]) => unknown;

/** One module: either gets calls as they are, or has methods. */
type Service =
  | { readonly handler: RpcHandler }
  | { readonly methods: object; readonly schemas: Readonly<Record<string, ParamsSchema>> };

/** The services of a topic by module. */
export class RpcServices {
  readonly #byModule = new Map<string, Service>();

  /** Throws BadRequestError for a schema of a method that is not there. */
  add(module: string, service: object, schemas: object): void {
    for (const name of Object.keys(schemas)) {
      if (typeof service !== 'function' && methodOf(service, name) !== null) continue;
      throw new BadRequestError(`Bad schemas: the service has no method "${name}"`);
    }
    this.#byModule.set(
      module,
      typeof service === 'function'
        ? { handler: service as RpcHandler }
        : { methods: service, schemas: schemas as Readonly<Record<string, ParamsSchema>> },
    );
  }

  /** Runs the call; whatever the service throws becomes an answer. */
  async run(request: RpcRequest): Promise<EncodedReply> {
    try {
      const service = this.#serviceOf(request);
      if ('handler' in service) return await runHandler(service.handler, request);
      return await runMethod(service.methods, service.schemas, request);
    } catch (error) {
      return replyOf(error);
    }
  }

  #serviceOf(request: RpcRequest): Service {
    const byDefault = this.#byModule.get('');
    const raw = byDefault !== undefined && 'handler' in byDefault ? byDefault : undefined;
    // It may get bodies that name no module.
    if (raw !== undefined && (this.#byModule.size === 1 || !request.isCall)) return raw;
    const service = this.#byModule.get(request.module) ?? raw;
    if (service === undefined) throw noMethod(`no module ${request.module}`);
    return service;
  }
}

async function runHandler(handler: RpcHandler, request: RpcRequest): Promise<EncodedReply> {
  const given = await handler(request);
  const reply = given instanceof RpcReply ? given : new RpcReply({ body: given as Body });
  const { status } = reply;
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    throw new RpcError(`Bad status ${status}: must be from 200 to 599`, {
      code: RpcErrorCode.badResult,
    });
  }
  const headers = new Map<string, string>();
  addOwnHeaders(headers, reply.headers);
  const { bytes, contentType } = encodeBody(reply.body);
  if (contentType !== null && !headers.has(Header.contentType)) {
    headers.set(Header.contentType, contentType);
  }
  return { status, headers, bytes };
}

async function runMethod(
  service: object,
  schemas: Readonly<Record<string, ParamsSchema>>,
  request: RpcRequest,
): Promise<EncodedReply> {
  const { method: name } = request;
  const method = methodOf(service, name);
  if (method === null) throw noMethod(`no method ${name}`);
  let { params } = request;
  const schema = Object.hasOwn(schemas, name) ? schemas[name] : undefined;
  if (schema !== undefined) {
    const checked = await schema['~standard'].validate(params);
    if (checked.issues !== undefined) throw badParams(name, checked.issues);
    params = checked.value;
  }
  const result: unknown = await Reflect.apply(method, service, params);
  const { bytes, contentType } = encodeResult(name, result);
  return { status: 200, headers: new Map([[Header.contentType, contentType]]), bytes };
}

function noMethod(text: string): RpcError {
  return new RpcError(text, { code: RpcErrorCode.noMethod, status: 404 });
}

/** The answer to a call that failed. */
export function replyOf(thrown: unknown): EncodedReply {
  let error: RpcError;
  let encoded: EncodedResult;
  try {
    error = errorToAnswer(thrown);
    encoded = encodeError(error);
  } catch {
    // An error whose message is a getter that throws, and the like.
    error = new RpcError('The error of the service cannot be sent');
    encoded = encodeError(error);
  }
  const { bytes, contentType } = encoded;
  return { status: error.status, headers: new Map([[Header.contentType, contentType]]), bytes };
}

/**
 * The service's own method or an inherited one; null for what it shares with every object, what is
 * private by its name, and what is no function. Inherited getters are not run.
 */
export function methodOf(service: object, name: string): Method | null {
  if (name === 'constructor' || name.startsWith('_') || name.startsWith('#')) return null;
  for (let holder: object | null = service; holder !== null;) {
    const above = Object.getPrototypeOf(holder) as object | null;
    // The root of all objects, of whatever realm; a module has nothing above it either.
    if (above === null && holder !== service) return null;
    const property = Object.getOwnPropertyDescriptor(holder, name);
    if (property !== undefined) {
      // Compilers write the exports of a module as getters.
      const isExport = holder === service && property.get !== undefined;
      const value: unknown = isExport ? Reflect.get(service, name) : property.value;
      return typeof value === 'function' ? (value as Method) : null;
    }
    holder = above;
  }
  return null;
}
