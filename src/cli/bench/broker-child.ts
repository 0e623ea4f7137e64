/**
 * A broker of its own for `zbus bench`, in a process of its own; started by temporary-broker.ts
 * with the data folder as its argument. It ends, and takes the folder with it, when the process
 * that started it has gone, however that went.
 */
import { rmSync } from 'node:fs';
import { loadConfig } from '../../config/sources.js';
import { createLog } from '../../log.js';
import { Server } from '../../server/server.js';

/** What it says to the process that started it. */
export type BrokerWord =
  | { readonly port: number }
  | { readonly failure: string }
  /** User and system, since it began; said whenever it is sent anything. */
  | { readonly cpuUs: number };

const [, , dir = ''] = process.argv;

/** To nobody when the other side has gone meanwhile: `disconnect` follows. */
function say(word: BrokerWord): void {
  if (process.connected) process.send?.(word, () => undefined);
}

// Ctrl-C goes to all processes of the terminal, but the bench still needs this one.
process.on('SIGINT', () => undefined);
process.on('SIGHUP', () => undefined);

const config = loadConfig({ flags: { mqDir: dir, serverAddress: '127.0.0.1:0' } });
const server = new Server(config, createLog(config));
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  say({ cpuUs: user + system });
});
const started = server.start();
process.on('disconnect', () => {
  // Whoever goes may do so while this one is still coming up.
  void started
    .catch(() => undefined)
    .then(() => server.close())
    .finally(() => {
      rmSync(dir, { recursive: true, force: true });
      process.exit(0);
    });
});
try {
  const { port } = await started;
  say({ port });
} catch (error) {
  say({ failure: error instanceof Error ? error.message : String(error) });
}
