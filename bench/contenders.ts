/**
 * What answers in a benchmark: nginx, a bare Node socket, the broker; each a process of its own,
 * started on a free port and stopped by its pid. Used by the benchmarks.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { fileURLToPath } from 'node:url';

export interface Contender {
  readonly port: number;
  readonly pid: number;
  /** It speaks TLS, and only TLS. */
  readonly tls: boolean;
  /** Ends it in good order. */
  readonly stop: () => Promise<void>;
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

const BROKER = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const SERVICE = fileURLToPath(new URL('rpc-service.ts', import.meta.url));
const BARE_SERVICE = fileURLToPath(new URL('bare-service.ts', import.meta.url));
const BARE = fileURLToPath(new URL('bare-server.ts', import.meta.url));

/** What a contender that speaks TLS shows. */
export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

export interface BrokerOptions {
  readonly dir: string;
  readonly ackLevel: 'disk' | 'page';
  /** Flags for node itself, such as --cpu-prof. */
  readonly nodeFlags?: readonly string[];
  readonly certificate?: CertificateFiles | null;
  /** Further options, by the names of their variables. */
  readonly env?: Readonly<Record<string, string>>;
}

/** The broker as `npm run compile` has built it, with its defaults but for the options. */
export function startBroker(options: BrokerOptions): Promise<Contender> {
  const { dir, ackLevel, nodeFlags = [], certificate = null } = options;
  const tls =
    certificate === null
      ? {}
      : {
          ZBUS_SSL_ENABLED: 'true',
          ZBUS_SERVER_CERT_FILE: certificate.certFile,
          ZBUS_SERVER_KEY_FILE: certificate.keyFile,
        };
  const env = {
    ...process.env,
    ZBUS_SERVER_ADDRESS: '127.0.0.1:0',
    ZBUS_MQ_DIR: dir,
    ZBUS_ACK_LEVEL: ackLevel,
    ...tls,
    ...options.env,
  };
  const child = spawn(process.execPath, [...nodeFlags, BROKER], { env });
  return started(child, 'SIGTERM', certificate !== null);
}

/** A Node socket server that answers `replyBytes` bytes to whatever ends a request. */
export function startBareServer(replyBytes: number): Promise<Contender> {
  const child = spawn(process.execPath, ['--import=tsx', BARE, `${replyBytes}`]);
  return started(child, 'SIGTERM', false);
}

/** Serves MyRpc with the client, or T over a bare socket, at the broker on `port`. */
export function startService(port: number, kind: 'client' | 'bare'): Promise<Contender> {
  const program = kind === 'client' ? SERVICE : BARE_SERVICE;
  const child = spawn(process.execPath, ['--import=tsx', program, `${port}`]);
  return started(child, 'SIGTERM', false);
}

/** One nginx worker that answers `replyBytes` bytes, head included, to every request. */
export async function startNginx(
  dir: string,
  replyBytes: number,
  certificate: CertificateFiles | null = null,
): Promise<Contender> {
  const port = await freePort();
  let bodyBytes = replyBytes;
  for (;;) {
    const nginx = await nginxWithBody(dir, port, bodyBytes, certificate);
    const bytes = await replyLength(port, undefined, nginx.tls);
    if (bytes === replyBytes || bodyBytes === 0) return nginx;
    await nginx.stop();
    bodyBytes = Math.max(0, bodyBytes + replyBytes - bytes);
  }
}

async function nginxWithBody(
  dir: string,
  port: number,
  bodyBytes: number,
  certificate: CertificateFiles | null,
): Promise<Contender> {
  const config = join(dir, 'nginx.conf');
  writeFileSync(config, nginxConfig(dir, port, bodyBytes, certificate));
  const child = spawn('nginx', ['-c', config, '-e', join(dir, 'nginx-error.log')]);
  running.add(child);
  const exited = once(child, 'exit').then(() => running.delete(child));
  const tls = certificate !== null;
  await untilAnswered(port, tls, child);
  return {
    port,
    pid: child.pid ?? -1,
    tls,
    stop: async () => {
      child.kill('SIGQUIT');
      await exited;
    },
  };
}

function nginxConfig(
  dir: string,
  port: number,
  bodyBytes: number,
  certificate: CertificateFiles | null,
): string {
  const tls =
    certificate === null
      ? ''
      : `ssl_certificate ${certificate.certFile}; ssl_certificate_key ${certificate.keyFile};`;
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const paths = temporary.map((name) => `${name}_temp_path ${join(dir, name)};`).join(' ');
  return (
    `daemon off; worker_processes 1; pid ${join(dir, 'nginx.pid')};\n` +
    'events { worker_connections 4096; }\n' +
    `http { access_log off; server_tokens off; default_type ""; ${paths}\n` +
    'keepalive_requests 100000000; keepalive_timeout 3600s;\n' +
    `server { listen 127.0.0.1:${port}${tls === '' ? '' : ' ssl'} backlog=1024; ${tls}\n` +
    `location / { return 200 "${'x'.repeat(bodyBytes)}"; } } }\n`
  );
}

/** Certificates are made for the run, so there is nothing to check them against. */
export async function openSocket(port: number, tls: boolean): Promise<Socket> {
  const socket = tls
    ? connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false })
    : connect({ host: '127.0.0.1', port, noDelay: true });
  await once(socket, tls ? 'secureConnect' : 'connect');
  return socket;
}

/** Length of a whole reply, as ab asks for it. */
export async function replyLength(
  port: number,
  request = 'GET / HTTP/1.0\r\n',
  tls = false,
): Promise<number> {
  const socket = await openSocket(port, tls);
  socket.write(`${request}Connection: Keep-Alive\r\n\r\n`);
  const received: Buffer[] = [];
  for await (const chunk of socket) {
    received.push(chunk as Buffer);
    const text = Buffer.concat(received).toString('latin1');
    const headEnd = text.indexOf('\r\n\r\n') + 4;
    const length = Number(/\r\ncontent-length: (\d+)/iu.exec(text)?.[1] ?? NaN);
    if (headEnd >= 4 && text.length >= headEnd + length) break;
  }
  return Buffer.concat(received).length;
}

async function untilAnswered(port: number, tls: boolean, child: ChildProcess): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`nginx ended with ${child.exitCode}`);
    const bytes = await replyLength(port, undefined, tls).catch(() => 0);
    if (bytes > 0) return;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new TypeError('not a TCP port');
  return address.port;
}

/** Resolves once the child has said on stdout where it listens. */
async function started(
  child: ChildProcess,
  signal: NodeJS.Signals,
  tls: boolean,
): Promise<Contender> {
  running.add(child);
  const exited = once(child, 'exit').then(() => running.delete(child));
  const port = await new Promise<number>((resolve, reject) => {
    let output = '';
    const onData = (chunk: Buffer): void => {
      output += chunk.toString();
      const found = /listening on \S+:(\d+)/u.exec(output)?.[1];
      if (found !== undefined) resolve(Number(found));
    };
    child.stdout?.on('data', onData);
    child.stderr?.on('data', onData);
    void exited.then(() => {
      reject(new Error(`ended before it listened:\n${output}`));
    });
  });
  return {
    port,
    pid: child.pid ?? -1,
    tls,
    stop: async () => {
      child.kill(signal);
      await exited;
    },
  };
}

/** Resident memory of a process, bytes. */
export function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  return Number(/^VmRSS:\s+(\d+) kB/mu.exec(status)?.[1] ?? NaN) * 1024;
}

/** Fields of /proc/PID/stat behind the name, which may hold blanks: the first is the state. */
const STAT_USER_TICKS = 11;
const STAT_SYSTEM_TICKS = 12;
/** Fixed for user space on Linux, whatever the kernel ticks at. */
const TICKS_PER_SECOND = 100;

/** Processor time that a process and its children have used. */
export function processorMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[STAT_USER_TICKS]) + Number(fields[STAT_SYSTEM_TICKS]);
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim();
  const own = (ticks * 1000) / TICKS_PER_SECOND;
  if (children === '') return own;
  return children.split(' ').reduce((sum, child) => sum + processorMs(Number(child)), own);
}
