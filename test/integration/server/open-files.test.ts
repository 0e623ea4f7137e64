/** A crowd of connections does not use up the process's files, and the server recovers from it. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Peer, request, stopAll, until } from './harness.js';

const SCRIPT = fileURLToPath(new URL('limited-server.ts', import.meta.url));

describe('under a low limit of open files', () => {
  let server: ChildProcess | null = null;

  afterEach(async () => {
    await stopAll();
    server?.kill();
    server = null;
  });

  for (const filesMax of [64, 256]) {
    it(`of ${filesMax}, a crowd of 500 is partly served, and others are served later`, async () => {
      const command = `ulimit -n ${filesMax}; exec "$0" --import=tsx "$1"`;
      server = spawn('bash', ['-c', command, process.execPath, SCRIPT], {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      });
      const [port] = (await once(server, 'message')) as [number];
      const crowd = await Promise.all(Array.from({ length: 500 }, () => Peer.connect(port)));
      for (const peer of crowd) peer.write(request('/echo', {}, 'in'));
      await until(() => crowd.every(({ text, ended, closed }) => text !== '' || ended || closed));
      const served = crowd.filter(({ text }) => text.startsWith('HTTP/1.1 200'));
      assert(served.length >= filesMax / 2 && served.length < filesMax, `served ${served.length}`);
      for (const peer of crowd) peer.socket.destroy();
      await until(() => crowd.every(({ closed }) => closed));
      for (;;) {
        const peer = await Peer.connect(port);
        peer.write(request('/echo', {}, 'after'));
        await until(() => peer.text !== '' || peer.ended || peer.closed);
        if (peer.text.startsWith('HTTP/1.1 200')) break;
        peer.socket.destroy();
      }
    }).timeout(30_000);
  }
});
