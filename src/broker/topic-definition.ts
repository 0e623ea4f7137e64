/**
 * What topic.json holds: the topic and its consume groups as they were declared. Positions are not
 * here but in the groups' cursors. Read and written by Topic; the engine stores it as an opaque
 * text.
 */
import { z } from 'zod';

const name = z.string().min(1);
const timeMs = z.number().int().nonnegative();

const ACK_WINDOW = 100;
const ACK_TIMEOUT_MS = 30_000;

const groupSchema = z.object({
  groupName: name,
  mask: z.number().int().nonnegative(),
  filter: z.string(),
  creator: z.string(),
  createdTime: timeMs,
  lastUpdatedTime: timeMs,
  /** Where the group began: it starts there again should its cursor be lost. */
  startOffset: z.number().int().nonnegative(),
  /** Messages in the hands of consumers at most, where they must acknowledge. */
  ackWindow: z.number().int().positive().default(ACK_WINDOW),
  ackTimeoutMs: z.number().int().positive().default(ACK_TIMEOUT_MS),
  /** Times a message is handed out before it is dead; 0: without end. */
  maxAttempts: z.number().int().nonnegative().default(0),
  /** Where dead messages go; '': to the topic's name with `.dead`. */
  deadTopic: z.string().default(''),
  /** How far the dead topic (that of this time) was sent back. */
  redriven: z.object({ createdTime: timeMs, end: z.number().int().nonnegative() }).nullish(),
});

/** The topic's own rules; a field that is absent leaves it to the server. */
const retentionSchema = z.object({
  /** null: no bound. */
  bytes: z.number().int().positive().nullable().optional(),
  /** null: however old. */
  ageMs: z.number().int().positive().nullable().optional(),
  consumed: z.boolean().optional(),
});

const topicSchema = z.object({
  formatVersion: z.literal(1),
  topicName: name,
  mask: z.number().int().nonnegative(),
  /** null: the server's. */
  ackLevel: z.enum(['disk', 'page', 'none']).nullable(),
  creator: z.string(),
  createdTime: timeMs,
  lastUpdatedTime: timeMs,
  groups: z.array(groupSchema),
  /** Absent in folders of 0.1. */
  retention: retentionSchema.optional(),
});

export type GroupDefinition = z.infer<typeof groupSchema>;
export type OwnRetention = z.infer<typeof retentionSchema>;
export type TopicDefinition = z.infer<typeof topicSchema>;

export function newGroupDefinition(groupName: string, startOffset: number): GroupDefinition {
  const now = Date.now();
  return {
    groupName,
    mask: 0,
    filter: '',
    creator: '',
    createdTime: now,
    lastUpdatedTime: now,
    startOffset,
    ackWindow: ACK_WINDOW,
    ackTimeoutMs: ACK_TIMEOUT_MS,
    maxAttempts: 0,
    deadTopic: '',
  };
}

export function newTopicDefinition(topicName: string): TopicDefinition {
  const now = Date.now();
  return {
    formatVersion: 1,
    topicName,
    mask: 0,
    ackLevel: null,
    creator: '',
    createdTime: now,
    lastUpdatedTime: now,
    groups: [],
  };
}

/** null when the text is not a definition of this format. */
export function parseDefinition(json: string): TopicDefinition | null {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return null;
  }
  const parsed = topicSchema.safeParse(value);
  return parsed.success ? parsed.data : null;
}
