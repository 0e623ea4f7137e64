/** Reads of the Queue interface as promises, for those who do not read on the hot path. */
import type { Queue, QueueReader, RecordBatch } from './queue.js';

/** As QueueReader.read. Rejects with ZbusError. */
export function readBatch(reader: QueueReader, maxBytes: number): Promise<RecordBatch> {
  return new Promise((resolve, reject) => {
    reader.read(maxBytes, (error, batch) => {
      if (error === null) resolve(batch);
      else reject(error);
    });
  });
}

/** As Queue.findTime. Rejects with ZbusError. */
export function findTime(queue: Queue, timeMs: number): Promise<number> {
  return new Promise((resolve, reject) => {
    queue.findTime(timeMs, (error, offset) => {
      if (error === null) resolve(offset);
      else reject(error);
    });
  });
}
