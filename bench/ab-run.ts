/**
 * One run of ApacheBench and what it measured. Used by ab.ts. Throws when a request failed: a rate
 * of failures is no figure.
 */
import { execFile } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface AbRequest {
  readonly url: string;
  readonly requests: number;
  readonly concurrency: number;
  /** File that holds the body of a POST; null for GET. */
  readonly bodyFile: string | null;
}

export interface AbFigures {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const run = promisify(execFile);
const OUTPUT_BYTES_MAX = 1024 * 1024;

/**
 * `scratchDir` takes the table of percentiles, which ab writes with three more digits than it
 * prints.
 */
export async function runAb(request: AbRequest, scratchDir: string): Promise<AbFigures> {
  const { url, requests, concurrency, bodyFile } = request;
  const percentiles = join(scratchDir, 'percentiles.csv');
  // -l: the length of a reply varies with the digits of its offset.
  const flags = ['-k', '-q', '-l', '-r', '-n', `${requests}`, '-c', `${concurrency}`];
  const post = bodyFile === null ? [] : ['-p', bodyFile, '-T', 'application/octet-stream'];
  const parameters = [...flags, '-e', percentiles, ...post, url];
  const { stdout } = await run('ab', parameters, { maxBuffer: OUTPUT_BYTES_MAX });
  const failed = field(stdout, 'Failed requests') + field(stdout, 'Non-2xx responses');
  const complete = field(stdout, 'Complete requests');
  if (failed > 0 || complete !== requests) {
    throw new Error(`ab ${url}: ${complete} of ${requests} complete, ${failed} failed\n${stdout}`);
  }
  const table = readFileSync(percentiles, 'latin1').split('\n');
  rmSync(percentiles);
  return {
    perSecond: field(stdout, 'Requests per second'),
    p50Ms: percentile(table, 50),
    p99Ms: percentile(table, 99),
  };
}

/**
 * A figure of ab's report; 0 when the line is absent, as `Non-2xx responses` is when there were
 * none.
 */
function field(report: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+([\\d.]+)`, 'mu').exec(report)?.[1] ?? 0);
}

/** Row `n` of the table says how long the fastest n % took; row 0 is its heading. */
function percentile(table: readonly string[], percent: number): number {
  const row = table.find((line) => line.startsWith(`${percent},`));
  return Number(row?.split(',')[1] ?? NaN);
}
