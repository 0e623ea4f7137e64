/** What every Queue promises, held against the disk queue and the memory queue alike. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import type { Queue } from '../../../src/queue/queue.js';
import { ID_BYTES_MAX, latin1Of, NAME_BYTES_MAX, nameKey } from '../../../src/protocol/names.js';
import { cleanUp } from '../../support/cleanup.js';
import { append, fill, queueKinds, read, readAll, readOne, record, recordsOf } from './queues.js';

interface FilterCase {
  filter: string;
  tag: string;
  matches: boolean;
}

const filterCases = JSON.parse(
  readFileSync(new URL('../protocol/filter-cases.json', import.meta.url), 'utf8'),
) as FilterCase[];

for (const { name, open, levels } of queueKinds) {
  describe(name, () => {
    let queue: Queue;
    beforeEach(async () => {
      queue = await open();
    });
    afterEach(cleanUp);

    describe('append', () => {
      it('numbers the records from 0 on, one each', async () => {
        const offsets = [];
        for (let n = 0; n < 5; n++) offsets.push((await append(queue, record('x'))).offset);
        assert.deepEqual(offsets, [0, 1, 2, 3, 4]);
        assert.equal(queue.nextOffset, 5);
      });

      it('says which level was reached', async () => {
        for (const level of ['none', 'page', 'disk'] as const) {
          const { reached } = await append(queue, record(level), level);
          assert.equal(reached, levels[level]);
        }
      });

      it('keeps id, tag and wire bytes as they were, any byte', async () => {
        const every = Buffer.from(Array.from({ length: 256 }, (_, n) => n));
        await append(queue, {
          id: '\xff\x01',
          tag: 'a.\xe9',
          head: 'x: \xfe\r\n\r\n',
          body: every,
        });
        assert.deepEqual(await readAll(queue), [
          {
            offset: 0,
            id: '\xff\x01',
            tag: 'a.\xe9',
            wire: `x: \xfe\r\n\r\n${every.toString('latin1')}`,
          },
        ]);
      });

      it('has copied the body when it returns', async () => {
        const body = Buffer.from('before');
        const done = append(queue, record('x', body));
        body.write('after!');
        await done;
        const [read] = await readAll(queue);
        assert.match(read?.wire ?? '', /before$/);
      });

      it('keeps an empty record', async () => {
        await append(queue, { id: '', tag: '', head: '', body: Buffer.alloc(0) });
        assert.deepEqual(await readAll(queue), [{ offset: 0, id: '', tag: '', wire: '' }]);
      });

      it('is not readable before it is acknowledged, and is when it is', async () => {
        const done = append(queue, record('x'));
        assert.equal(queue.readableEnd, 0);
        assert.equal((await readOne(queue, 0)).count, 0);
        await done;
        assert.equal(queue.readableEnd, 1);
      });

      it('tells the owner once for a turn of appends', async () => {
        let told = 0;
        queue.onReadable = () => {
          told++;
        };
        await fill(queue, 100);
        assert.equal(told, 1);
      });

      it('calls back in the order of the offsets', async () => {
        const order: number[] = [];
        const levelOf = (n: number) => (n % 3 === 0 ? 'disk' : 'page');
        await Promise.all(
          Array.from({ length: 30 }, async (_, n) => {
            const { offset } = await append(queue, record('x'), levelOf(n));
            if (levelOf(n) === 'disk') order.push(offset);
          }),
        );
        assert.deepEqual(order, [0, 3, 6, 9, 12, 15, 18, 21, 24, 27]);
      });
    });

    describe('read', () => {
      it('returns every record once, in order', async () => {
        await fill(queue, 2000);
        const records = await readAll(queue);
        assert.deepEqual(
          records.map(({ offset, id, wire }) => [offset, id, wire.split('\r\n\r\n')[1]]),
          Array.from({ length: 2000 }, (_, n) => [n, String(n), `body ${n}`]),
        );
      });

      it('goes on where it ended once more is there', async () => {
        const reader = queue.openReader(0, null, null);
        await fill(queue, 1);
        assert.equal((await read(reader)).count, 1);
        const nothing = await read(reader);
        assert.deepEqual([nothing.count, nothing.nextOffset], [0, 1]);
        await fill(queue, 1);
        assert.equal((await read(reader)).offset(0), 1);
      });

      it('returns a record larger than it was asked for, alone', async () => {
        const large = Buffer.alloc(300_000, 'x');
        await append(queue, record('large', large));
        await append(queue, record('small'));
        const batch = await read(queue.openReader(0, null, null), 1000);
        assert.deepEqual([batch.count, batch.id(0), batch.nextOffset], [1, 'large', 1]);
        assert.equal(
          batch.wireEnd(0) - batch.wireStart(0),
          300_000 + 'content-length: 300000\r\n\r\n'.length,
        );
      });

      it('returns large and small records mixed, whole', async () => {
        const sizes = [0, 1, 70_000, 7, 4096, 200_000, 65_536, 9, 131_072, 3];
        for (const size of sizes)
          await append(queue, record(String(size), Buffer.alloc(size, 'b')));
        const records = await readAll(queue);
        assert.deepEqual(
          records.map(({ wire }) => wire.length - wire.indexOf('\r\n\r\n') - 4),
          sizes,
        );
      });

      it('hands out bytes that later reads leave alone', async () => {
        await fill(queue, 2);
        const reader = queue.openReader(0, null, null);
        const batch = await read(reader, 1);
        const before = recordsOf(batch);
        await append(queue, record('later', 'overwrites?'));
        await read(reader);
        await read(queue.openReader(0, null, null));
        assert.deepEqual(recordsOf(batch), before);
      });

      it('gives each reader its own position', async () => {
        await fill(queue, 10);
        assert.equal((await readAll(queue, 7)).length, 3);
        assert.equal((await readAll(queue, 0)).length, 10);
      });

      it('gives timestamps that never decrease and are those of the clock', async () => {
        const before = Date.now();
        await fill(queue, 50);
        const after = Date.now();
        let last = before;
        for (let n = 0; n < 50; n++) {
          const time = (await readOne(queue, n)).timestampMs(0);
          assert(time >= last && time <= after, `${time} is not within ${last} and ${after}`);
          last = time;
        }
      });
    });

    describe('address', () => {
      const ids = (records: readonly { id: string }[]): string[] => records.map(({ id }) => id);

      it('lets pass to each group what is for it or for all', async () => {
        const group = latin1Of(nameKey('Größe'));
        await append(queue, record('all'));
        await append(queue, { ...record('one'), group });
        await append(queue, { ...record('other'), group: 'b' });
        await append(queue, { ...record('tagged', '', 'x'), group });
        assert.deepEqual(ids(await readAll(queue)), ['all', 'one', 'other', 'tagged']);
        assert.deepEqual(ids(await readAll(queue, 0, null, group)), ['all', 'one', 'tagged']);
        assert.deepEqual(ids(await readAll(queue, 0, null, 'b')), ['all', 'other']);
        assert.deepEqual(ids(await readAll(queue, 0, null, 'c')), ['all']);
        assert.deepEqual(ids(await readAll(queue, 0, 'x', group)), ['tagged']);
      });

      it('is no obstacle to readOne', async () => {
        await append(queue, { ...record('one'), group: 'a' });
        const batch = await readOne(queue, 0);
        assert.deepEqual([batch.count, batch.id(0)], [1, 'one']);
      });

      it('moves readers on over what is for others, however much', async () => {
        const appended = Array.from({ length: 5000 }, () =>
          append(queue, { ...record('x', 'y'.repeat(300)), group: 'a' }),
        );
        await Promise.all(appended);
        await append(queue, record('last'));
        assert.deepEqual(ids(await readAll(queue, 0, null, 'b')), ['last']);
      });

      it('may be as long as a name, behind an id as long as ids may be', async () => {
        const [id, group] = ['i'.repeat(ID_BYTES_MAX), 'g'.repeat(NAME_BYTES_MAX)];
        await append(queue, { ...record(id), group });
        assert.deepEqual(ids(await readAll(queue, 0, null, group)), [id]);
      });
    });

    describe('filter', () => {
      it('lets pass what the truth table says, tag by tag', async () => {
        const tags = [...new Set(filterCases.map(({ tag }) => tag))];
        const latin1 = (text: string): string => Buffer.from(text).toString('latin1');
        for (const tag of tags) await append(queue, record(tag, '', latin1(tag)));
        const wrong: FilterCase[] = [];
        for (const filterCase of filterCases) {
          const { filter, tag, matches } = filterCase;
          const passed = await readAll(queue, 0, filter === '' ? null : filter);
          if (passed.some((one) => one.tag === latin1(tag)) !== matches) wrong.push(filterCase);
        }
        assert.deepEqual(wrong, []);
        assert(filterCases.length > 20);
      });

      it('moves on over records that are not wanted, however many', async () => {
        await fill(queue, 5000, (n) => (n === 4999 ? 'wanted' : 'other'));
        assert.deepEqual(
          (await readAll(queue, 0, 'wanted')).map(({ offset }) => offset),
          [4999],
        );
      });

      it('never returns a message without a tag but for # and *', async () => {
        await fill(queue, 3);
        assert.equal((await readAll(queue, 0, 'a')).length, 0);
        assert.equal((await readAll(queue, 0, '#')).length, 3);
        assert.equal((await readAll(queue, 0, '*')).length, 3);
      });
    });
  });
}
