/** What every Queue promises of positions, deletion and closing, held against all kinds alike. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { ClosedError, StorageFailedError } from '../../../src/errors.js';
import { CURSOR_DETAIL_BYTES_MAX, type Queue } from '../../../src/queue/queue.js';
import { cleanUp } from '../../support/cleanup.js';
import { turn } from '../../support/wait.js';
import {
  append,
  fill,
  findTime,
  NO_DETAIL,
  queueKinds,
  read,
  readAll,
  readOne,
  record,
} from './queues.js';

for (const { name, open } of queueKinds) {
  describe(name, () => {
    let queue: Queue;
    beforeEach(async () => {
      queue = await open();
    });
    afterEach(cleanUp);

    describe('seek', () => {
      it('reads on from the offset, before and behind', async () => {
        await fill(queue, 100);
        const reader = queue.openReader(0, null, null);
        for (const offset of [50, 99, 0, 1]) {
          reader.seek(offset);
          assert.equal((await read(reader, 1)).offset(0), offset);
        }
      });

      it('from before the first kept record starts at the first kept', async () => {
        await fill(queue, 10);
        await queue.empty();
        await fill(queue, 3);
        const reader = queue.openReader(0, null, null);
        assert.equal((await read(reader)).offset(0), 10);
        reader.seek(2);
        assert.equal((await read(reader)).offset(0), 10);
      });
    });

    describe('a reader', () => {
      it('that is moved while it reads goes on at the new place', async () => {
        await fill(queue, 100);
        const reader = queue.openReader(0, null, null);
        const first = read(reader, 1);
        reader.seek(70);
        await first;
        assert.equal((await read(reader, 1)).offset(0), 70);
      });

      it('that is closed while it reads ends quietly, and so does the queue', async () => {
        await fill(queue, 100);
        const reader = queue.openReader(0, null, null);
        const reading = read(reader);
        reader.close();
        reader.close();
        await reading;
        assert.equal((await read(reader)).count, 0);
        await queue.close();
      });
    });

    describe('readOne', () => {
      it('returns the record at the offset and no other', async () => {
        await fill(queue, 300);
        for (const offset of [0, 150, 299]) {
          const batch = await readOne(queue, offset);
          assert.deepEqual(
            [batch.count, batch.offset(0), batch.id(0)],
            [1, offset, String(offset)],
          );
        }
      });

      it('returns nothing behind the end or before the first kept', async () => {
        await fill(queue, 3);
        assert.equal((await readOne(queue, 3)).count, 0);
        assert.equal((await readOne(queue, 1_000_000)).count, 0);
        await queue.empty();
        await fill(queue, 1);
        assert.equal((await readOne(queue, 0)).count, 0);
      });
    });

    describe('findTime', () => {
      it('returns the first record stored at or after the time', async () => {
        for (let n = 0; n < 20; n++) {
          await append(queue, record(String(n)));
          // Time must pass between some of them, however fast the machine is.
          const before = Date.now();
          while (n % 5 === 4 && Date.now() === before) await turn();
        }
        const times: number[] = [];
        for (let n = 0; n < 20; n++) times.push((await readOne(queue, n)).timestampMs(0));
        for (const time of new Set(times)) {
          assert.equal(await findTime(queue, time), times.indexOf(time));
        }
      });

      it('returns the first record for any earlier time, and the end for a later one', async () => {
        await fill(queue, 10);
        assert.equal(await findTime(queue, 0), 0);
        assert.equal(await findTime(queue, Date.now() + 60_000), 10);
      });

      it('returns the end of an empty queue', async () => {
        assert.equal(await findTime(queue, 0), 0);
      });
    });

    describe('cursor', () => {
      it('starts where it is told, and keeps what is stored', async () => {
        await fill(queue, 10);
        const cursor = await queue.openCursor('g', 4, false);
        assert.equal(cursor.offset, 4);
        cursor.store(7, NO_DETAIL);
        assert.equal((await queue.openCursor('g', 0, false)).offset, 7);
      });

      it('keeps the detail stored with its offset, of any bytes', async () => {
        await fill(queue, 10);
        const cursor = await queue.openCursor('g', 4, false);
        assert.equal(cursor.detail.length, 0);
        const detail = Buffer.from(Array.from({ length: 3024 }, (_, n) => n % 256));
        cursor.store(7, detail);
        const stored = Buffer.from(detail);
        detail.fill(0);
        const opened = await queue.openCursor('g', 0, false);
        assert.deepEqual([opened.offset, opened.detail], [7, stored]);
        cursor.store(7, NO_DETAIL);
        assert.equal(opened.detail.length, 0);
      });

      it('refuses a detail that is too long, and stays as it was', async () => {
        await fill(queue, 10);
        const cursor = await queue.openCursor('g', 4, false);
        cursor.store(5, Buffer.from('before'));
        const long = Buffer.alloc(CURSOR_DETAIL_BYTES_MAX + 1);
        assert.throws(() => {
          cursor.store(6, long);
        }, StorageFailedError);
        assert.deepEqual([cursor.offset, cursor.detail.toString()], [5, 'before']);
      });

      it('starts within the log', async () => {
        await fill(queue, 10);
        await queue.empty();
        await fill(queue, 10);
        assert.equal((await queue.openCursor('g', 4, true)).offset, 10);
        assert.equal((await queue.openCursor('h', 1000, true)).offset, 20);
      });

      it('stays below the first kept record, with its detail', async () => {
        await fill(queue, 10);
        (await queue.openCursor('g', 0, true)).store(4, Buffer.from('ranges'));
        await queue.empty();
        const cursor = await queue.openCursor('g', 0, false);
        assert.deepEqual([cursor.offset, cursor.detail.toString()], [4, 'ranges']);
      });

      it('starts anew when it is created again', async () => {
        await fill(queue, 10);
        (await queue.openCursor('g', 0, true)).store(9, Buffer.from('detail'));
        const created = await queue.openCursor('g', 3, true);
        assert.deepEqual([created.offset, created.detail.length], [3, 0]);
      });

      it('is listed until it is removed', async () => {
        await queue.openCursor('Größe', 0, true);
        await queue.openCursor('h', 0, true);
        assert.deepEqual((await queue.cursorNames()).sort(), ['Größe', 'h']);
        await queue.removeCursor('h');
        assert.deepEqual(await queue.cursorNames(), ['Größe']);
      });

      it('is found without regard to case', async () => {
        await fill(queue, 5);
        (await queue.openCursor('Group', 0, true)).store(5, NO_DETAIL);
        assert.equal((await queue.openCursor('GROUP', 0, false)).offset, 5);
      });
    });

    describe('empty', () => {
      it('drops every record and lets the offsets go on', async () => {
        await fill(queue, 100);
        await queue.empty();
        assert.deepEqual([queue.firstOffset, queue.nextOffset], [100, 100]);
        assert.deepEqual(await readAll(queue, 100), []);
        await fill(queue, 1);
        assert.equal((await readAll(queue, 0))[0]?.offset, 100);
      });

      it('drops what was appended in the same turn too, and acknowledges it', async () => {
        const done = append(queue, record('x'));
        await queue.empty();
        assert.equal((await done).offset, 0);
        assert.deepEqual(await readAll(queue, queue.firstOffset), []);
      });
    });

    describe('deleteBefore', () => {
      it('keeps every record from the offset on', async () => {
        for (let n = 0; n < 100; n++) await append(queue, record(String(n), Buffer.alloc(4096)));
        await queue.deleteBefore(60);
        assert(queue.firstOffset > 0 && queue.firstOffset <= 60, `first ${queue.firstOffset}`);
        const offsets = (await readAll(queue, 60)).map(({ offset }) => offset);
        assert.deepEqual(
          offsets,
          Array.from({ length: 40 }, (_, n) => 60 + n),
        );
      });

      it('never deletes behind the end', async () => {
        await fill(queue, 10);
        await queue.deleteBefore(1_000_000);
        await fill(queue, 1);
        assert.equal((await readOne(queue, 10)).count, 1);
        assert.equal(queue.nextOffset, 11);
      });
    });

    describe('state', () => {
      it('tells first and next offset and the bytes it holds', async () => {
        await fill(queue, 3);
        const before = queue.state();
        assert.deepEqual([before.firstOffset, before.nextOffset], [0, 3]);
        assert.deepEqual([before.lostCount, before.readOnly], [0, false]);
        await append(queue, record('large', Buffer.alloc(200_000)));
        assert(queue.state().storedBytes >= before.storedBytes + 200_000);
      });
    });

    describe('close', () => {
      it('completes every append that was accepted', async () => {
        const appends = ['none', 'page', 'disk'] as const;
        const done = Promise.all(appends.map((level) => append(queue, record('x'), level)));
        await queue.close();
        assert.deepEqual(
          (await done).map(({ offset }) => offset),
          [0, 1, 2],
        );
      });

      it('refuses later appends', async () => {
        await queue.close();
        await assert.rejects(append(queue, record('x')), ClosedError);
      });

      it('twice is once', async () => {
        await fill(queue, 1);
        await queue.close();
        await queue.close();
        assert.equal(queue.state().nextOffset, 1);
      });
    });
  });
}
