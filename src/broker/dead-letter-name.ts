/** Where the dead letters of a group go; used when it is declared and when a message dies. */
import { BadRequestError } from '../errors.js';
import { checkTopicName, nameKey } from '../protocol/names.js';

/** Name of the topic for the dead letters of a group. Throws BadRequestError. */
export function deadTopicName(topicName: string, deadTopic: string): string {
  const name = deadTopic === '' ? `${topicName}.dead` : deadTopic;
  try {
    checkTopicName(name);
  } catch (cause) {
    throw new BadRequestError(`Bad group_dead_topic "${name}": not a topic's name`, { cause });
  }
  if (nameKey(name) !== nameKey(topicName)) return name;
  throw new BadRequestError(
    `Bad group_dead_topic "${name}": must be another topic, or its dead letters come back for ever`,
  );
}
