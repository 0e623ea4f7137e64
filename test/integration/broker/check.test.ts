/**
 * The check of folders that a real broker has written, against what a broker then makes of them.
 * What the engine finds in single bytes is proved in native/test.
 */
import assert from 'node:assert/strict';
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { checkFolder, type FolderReport } from '../../../src/broker/check.js';
import type { Problem } from '../../../src/broker/check-problems.js';
import type { TopicReport } from '../../../src/broker/check-topic.js';
import { TestBroker } from '../../support/broker.js';
import { cleanUp } from '../../support/cleanup.js';
import { folderState } from '../../support/folder-state.js';

const COUNT = 60;
const BODY_BYTES = 4000;

/** A stopped broker with `COUNT` messages in several blocks of topic t, and two groups. */
async function filled(): Promise<TestBroker> {
  const broker = await TestBroker.start({ blockBytes: 64 * 1024 });
  const client = await broker.connect();
  await client.expect(200, 'declare', { topic: 't' });
  await client.expect(200, 'declare', { topic: 't', consume_group: 't' });
  await client.expect(200, 'declare', { topic: 't', consume_group: 'g', group_mask: 64 });
  for (let i = 0; i < COUNT; i++) {
    await client.expect(200, 'produce', { topic: 't' }, bodyOf(i));
  }
  await client.expect(200, 'consume', { topic: 't', consume_group: 'g' });
  await client.expect(200, 'ack', { topic: 't', consume_group: 'g', offset: 0 });
  await broker.stop();
  return broker;
}

function bodyOf(i: number): string {
  return `message ${i};`.padEnd(BODY_BYTES, '.');
}

function topicDir(broker: TestBroker): string {
  return join(broker.config.mqDir, 't');
}

function files(broker: TestBroker, end: string): string[] {
  const names = readdirSync(topicDir(broker)).filter((name) => name.endsWith(end));
  return names.sort().map((name) => join(topicDir(broker), name));
}

function change(path: string | undefined, edit: (bytes: Buffer) => void): void {
  assert(path !== undefined);
  const bytes = readFileSync(path);
  edit(bytes);
  writeFileSync(path, bytes);
}

function damageBody(broker: TestBroker, i: number): void {
  const path = files(broker, '.block').find((file) => readFileSync(file).includes(`message ${i};`));
  change(path, (bytes) => bytes.write('M', bytes.indexOf(`message ${i};`)));
}

/** Checks, and proves that nothing was changed by it. */
async function check({
  config,
}: TestBroker): Promise<{ report: FolderReport; topic: TopicReport }> {
  const before = folderState(config.mqDir);
  const report = await checkFolder({ dir: config.mqDir, repair: false });
  assert.deepEqual(folderState(config.mqDir), before);
  const [topic] = report.topics;
  assert(topic !== undefined);
  return { report, topic };
}

function kinds(problems: readonly Problem[]): string[] {
  return problems.map(({ kind }) => kind);
}

function lostOffsets({ problems }: TopicReport): number[] {
  const lost: number[] = [];
  for (const { kind, offsetFrom, offsetTo } of problems) {
    if (!['damagedRecords', 'damagedHeader', 'missingBlock'].includes(kind)) continue;
    for (let i = offsetFrom ?? 0; i < (offsetTo ?? 0); i++) lost.push(i);
  }
  return lost.sort((a, b) => a - b);
}

/** Starts the broker and reads everything: which offsets it has not, and how many it counts. */
async function startAndRead(broker: TestBroker, end: number): Promise<[number[], number]> {
  await broker.start();
  const client = await broker.connect();
  await client.expect(200, 'declare', {
    topic: 't',
    consume_group: 'reader',
    group_start_offset: 0,
  });
  const there = new Set<number>();
  for (let last = -1; last < end - 1;) {
    const reply = await client.expect(200, 'consume', { topic: 't', consume_group: 'reader' });
    last = Number(reply.headers.get('offset'));
    assert.equal(reply.body.toString(), bodyOf(last));
    there.add(last);
  }
  const { lostCount = 0 } = await client.query<{ lostCount?: number }>('t');
  await broker.stop();
  return [Array.from({ length: end }, (_, i) => i).filter((i) => !there.has(i)), lostCount];
}

describe('checkFolder', function () {
  this.timeout(20_000);
  afterEach(cleanUp);

  it('finds a folder sound that a broker has closed, and counts what is in it', async () => {
    const { report, topic } = await check(await filled());
    assert.equal(report.verdict, 'sound');
    assert.deepEqual(topic.problems, []);
    assert.equal(topic.messageCount, COUNT);
    assert.equal(topic.nextOffset, COUNT);
    assert(topic.blockCount > 3);
    const group = topic.groups.find(({ groupName }) => groupName === 'g');
    assert.deepEqual(group, {
      groupName: 'g',
      settledOffset: 1,
      nextOffset: 1,
      unsettledCount: 0,
    });
  });

  it('finds what a kill at any moment leaves sound', async () => {
    const broker = await TestBroker.start({ blockBytes: 64 * 1024, ackLevel: 'page' });
    const client = await broker.connect();
    await client.expect(200, 'declare', { topic: 't' });
    for (let i = 0; i < 40; i++) {
      await client.expect(200, 'produce', { topic: 't' }, bodyOf(i));
      if (i % 8 !== 0) continue;
      const report = await checkFolder({ dir: broker.crashedFolder(), repair: false });
      assert.equal(report.verdict, 'sound', JSON.stringify(report, null, 2));
      assert(report.messageCount > i);
    }
  });

  it('names exactly the offsets that a broker then does not have', async () => {
    const broker = await filled();
    for (const i of [3, 4, 20, COUNT - 3]) damageBody(broker, i);
    const blocks = files(broker, '.block');
    rmSync(blocks[2] ?? '');
    const { report, topic } = await check(broker);
    assert.equal(report.verdict, 'damaged');
    const [missing, lostCount] = await startAndRead(broker, COUNT);
    assert(missing.length > 4 + 10);
    assert.deepEqual(lostOffsets(topic), missing);
    assert.equal(topic.lostCount, lostCount);
    assert.equal(topic.messageCount, COUNT - missing.length);
  });

  it('takes a torn tail for sound, names its bytes, and later the copy of it', async () => {
    const broker = await filled();
    const last = files(broker, '.block').at(-1) ?? '';
    const tornAt = statSync(last).size + 512;
    appendFileSync(last, `${'\0'.repeat(512)}torn by a power cut`);
    const { report, topic } = await check(broker);
    assert.equal(report.verdict, 'sound');
    assert.deepEqual(kinds(topic.problems), ['tornTail']);
    const [{ positionBytes, lengthBytes } = { positionBytes: 0, lengthBytes: 0 }] = topic.problems;
    assert(positionBytes <= tornAt && tornAt < positionBytes + lengthBytes);
    assert.equal(topic.nextOffset, COUNT);
    assert.deepEqual(await startAndRead(broker, COUNT), [[], 0]);
    const after = await check(broker);
    assert.equal(after.report.verdict, 'sound');
    assert.deepEqual(kinds(after.topic.problems), ['tornCopy']);
  });

  it('repairs indexes, however damaged, and touches nothing else', async () => {
    const broker = await filled();
    const dir = broker.config.mqDir;
    const indexes = files(broker, '.index');
    const before = indexes.map((path) => readFileSync(path));
    damageBody(broker, 4);
    change(files(broker, '.cursor')[0], (bytes) => bytes.fill(1));
    rmSync(indexes[1] ?? '');
    change(indexes[2], (bytes) => bytes.write('?', 50));
    const others = (): unknown =>
      Object.entries(folderState(dir)).filter(([path]) => /[.](block|cursor|json)$/.test(path));
    const untouched = others();
    const report = await checkFolder({ dir, repair: true });
    assert.equal(report.repairedCount, 2);
    assert.equal(report.verdict, 'damaged');
    assert.deepEqual(
      report.topics[0]?.problems.filter(({ repaired }) => repaired).map(({ kind }) => kind),
      ['missingIndex', 'damagedIndex'],
    );
    assert.deepEqual(others(), untouched);
    assert.deepEqual(
      indexes.map((path) => readFileSync(path)),
      before,
    );
    assert.equal((await checkFolder({ dir, repair: true })).repairedCount, 0);
  });

  it('misses nothing of topics that are in memory', async () => {
    const broker = await TestBroker.start();
    const client = await broker.connect();
    for (const mask of [1, 2]) {
      const topic = `t${mask}`;
      await client.expect(200, 'declare', { topic, topic_mask: mask });
      if (mask === 1) await client.expect(200, 'declare', { topic, consume_group: 'g' });
    }
    await broker.stop();
    const { report } = await check(broker);
    assert.equal(report.topicCount, 2);
    assert.deepEqual(
      report.topics.flatMap(({ problems }) => kinds(problems)),
      [],
    );
  });

  it('tells of groups whose messages were deleted, or are not there yet', async () => {
    const broker = await filled();
    await broker.start();
    const client = await broker.connect();
    const end = { topic: 't', consume_group: 'end', group_start_offset: COUNT };
    await client.expect(200, 'declare', end);
    await broker.stop();
    const blocks = files(broker, '.block');
    const [second = ''] = blocks.splice(1, 1);
    for (const path of blocks) rmSync(path);
    for (const path of files(broker, '.index')) {
      if (!second.startsWith(path.replace('.index', ''))) rmSync(path);
    }
    const { report, topic } = await check(broker);
    assert.equal(report.verdict, 'sound');
    const found = topic.problems.map(({ kind, file, offsetFrom, offsetTo }) => {
      return [kind, file, offsetFrom, offsetTo];
    });
    assert.deepEqual(found, [
      ['cursorAboveLog', 'end.cursor', topic.nextOffset, COUNT],
      ['cursorBelowLog', 'g.cursor', 1, topic.firstOffset],
      ['cursorBelowLog', 't.cursor', 0, topic.firstOffset],
    ]);
    const positions = topic.groups.map(({ nextOffset }) => nextOffset);
    assert.deepEqual(positions, [topic.nextOffset, topic.firstOffset, topic.firstOffset]);
  });

  const fileDamages: Readonly<Record<string, (broker: TestBroker) => void>> = {
    damagedCursor: (broker) => {
      change(files(broker, 'g.cursor')[0], (bytes) => bytes.fill(1));
    },
    damagedCursorSlot: (broker) => {
      change(files(broker, 'g.cursor')[0], (bytes) => bytes.fill(1, 8192));
    },
    missingCursor: (broker) => {
      rmSync(join(topicDir(broker), 'g.cursor'));
    },
    foreignCursor: (broker) => {
      copyFileSync(join(topicDir(broker), 't.cursor'), join(topicDir(broker), 'g.cursor'));
    },
    unusedCursor: (broker) => {
      copyFileSync(join(topicDir(broker), 'g.cursor'), join(topicDir(broker), 'h.cursor'));
    },
    damagedDefinition: (broker) => {
      change(join(topicDir(broker), 'topic.json'), (bytes) => bytes.write('?', 40));
    },
    missingDefinition: (broker) => {
      rmSync(join(topicDir(broker), 'topic.json'));
    },
    unknownFile: (broker) => {
      writeFileSync(join(topicDir(broker), 'notes.txt'), 'mine');
    },
    unknownFolder: (broker) => {
      mkdirSync(join(topicDir(broker), 'folder'));
    },
    temporaryFile: (broker) => {
      writeFileSync(join(topicDir(broker), 'topic.json.tmp'), '{');
    },
    badCopy: (broker) => {
      writeFileSync(join(topicDir(broker), 'g.cursor.bad'), '?');
    },
    orphanIndex: (broker) => {
      const [index = ''] = files(broker, '.index');
      copyFileSync(index, join(topicDir(broker), '00000000000000009999.index'));
    },
    notRegular: (broker) => {
      symlinkSync('g.cursor', join(topicDir(broker), 'link'));
    },
    openMode: (broker) => {
      chmodSync(join(topicDir(broker), 'topic.json'), 0o644);
    },
  };
  const DAMAGES = ['damagedCursor', 'foreignCursor', 'damagedDefinition', 'missingDefinition'];

  for (const [kind, damage] of Object.entries(fileDamages)) {
    it(`finds ${kind}`, async () => {
      const broker = await filled();
      damage(broker);
      const { report, topic } = await check(broker);
      assert.deepEqual(kinds(topic.problems), [kind]);
      assert.equal(report.verdict, DAMAGES.includes(kind) ? 'damaged' : 'sound');
    });
  }

  it('finds a definition that belongs into another folder, and folders of no topic', async () => {
    const broker = await filled();
    const { mqDir } = broker.config;
    renameSync(topicDir(broker), join(mqDir, 'u'));
    mkdirSync(join(mqDir, '.removed-1'));
    mkdirSync(join(mqDir, 'Not A Topic'));
    mkdirSync(join(mqDir, 'begun'));
    writeFileSync(join(mqDir, 'zbus.log'), '');
    const report = await checkFolder({ dir: mqDir, repair: false });
    assert.deepEqual(kinds(report.problems).sort(), [
      'removedTopic',
      'unknownFile',
      'unknownFolder',
    ]);
    const [begun, foreign] = report.topics;
    assert.deepEqual(kinds(begun?.problems ?? []), ['unfinishedTopic', 'openMode']);
    assert.deepEqual(kinds(foreign?.problems ?? []), ['foreignDefinition']);
    assert.equal(report.verdict, 'damaged');
  });
});
