/**
 * Every kind of problem that a check of a data folder can find: how bad it is, what it is, and what
 * the next start does about it. The one list of them; docs/operations.md, "Checking a data folder",
 * shows it, and a test compares the two.
 */

/**
 * note: nothing is lost by it. damage: something that was stored is lost or not to be trusted.
 * unchecked: it could not be read, so nothing is known.
 */
export type Severity = 'note' | 'damage' | 'unchecked';

interface ProblemInfo {
  readonly severity: Severity;
  readonly what: string;
  readonly onStart: string;
}

const SKIPPED = 'skips them, serves the rest, deletes nothing';
const REBUILT = 'reads the block instead and writes the index anew';
const RESTARTED = 'begins the group where it was declared to begin; messages come again';
const REDEFINED = 'rebuilds the topic from its folder and positions, without masks and filters';
const PASSED = 'leaves it alone';

export const problemInfo = {
  tornTail: {
    severity: 'note',
    what: 'torn tail: the end of the log was never synced as a whole',
    onStart: 'cuts it off, keeps a .torn copy and gives its offsets out again',
  },
  damagedRecords: { severity: 'damage', what: 'damaged messages', onStart: SKIPPED },
  damagedHeader: {
    severity: 'damage',
    what: 'both copies of the block header are damaged, its messages cannot be read',
    onStart: SKIPPED,
  },
  missingBlock: { severity: 'damage', what: 'a block is missing', onStart: SKIPPED },
  foreignBlock: {
    severity: 'damage',
    what: 'the block is of another topic, or of another life of this one',
    onStart: 'serves its messages as if they were those of this topic',
  },
  damagedHeaderCopy: {
    severity: 'note',
    what: 'one of the two copies of the block header is damaged',
    onStart: 'reads the other',
  },
  damagedMark: {
    severity: 'note',
    what: 'a mark between messages is damaged, no message is',
    onStart: 'passes over it',
  },
  damagedSeal: {
    severity: 'note',
    what: 'the seal that ends the block is damaged or cut off, no message is',
    onStart: 'dates the block by the one behind it',
  },
  blankBlock: {
    severity: 'note',
    what: 'a blank block: it was being made when the process ended',
    onStart: 'removes it',
  },
  missingIndex: { severity: 'note', what: 'the index is missing', onStart: REBUILT },
  damagedIndex: {
    severity: 'note',
    what: 'the index is damaged, or of another block',
    onStart: REBUILT,
  },
  wrongIndex: {
    severity: 'damage',
    what: 'the index is whole, but not that of its block',
    onStart: 'trusts it, so that seeks can pass over messages; --repair mends it',
  },
  orphanIndex: { severity: 'note', what: 'an index without its block', onStart: PASSED },
  damagedCursor: {
    severity: 'damage',
    what: 'no slot of the position can be read',
    onStart: `${RESTARTED}; keeps a .bad copy`,
  },
  foreignCursor: {
    severity: 'damage',
    what: 'the position is that of another group, topic or log',
    onStart: RESTARTED,
  },
  missingCursor: { severity: 'note', what: 'the group has no position', onStart: RESTARTED },
  damagedCursorSlot: {
    severity: 'note',
    what: 'slots of the position are damaged, one is not',
    onStart: 'goes on at the newest that can be read; messages can come again',
  },
  cursorAboveLog: {
    severity: 'note',
    what: 'the position lies above the end of the log, as a power cut can leave it',
    onStart: 'moves it to the end',
  },
  cursorBelowLog: {
    severity: 'note',
    what: 'messages were deleted before the group got them',
    onStart: 'goes on at the first message kept and counts these as lostCount of the group',
  },
  unusedCursor: {
    severity: 'note',
    what: 'a position of a group that is not declared',
    onStart: PASSED,
  },
  damagedDefinition: {
    severity: 'damage',
    what: 'the definition is damaged',
    onStart: REDEFINED,
  },
  missingDefinition: {
    severity: 'damage',
    what: 'the definition is missing',
    onStart: REDEFINED,
  },
  foreignDefinition: {
    severity: 'damage',
    what: 'the definition names a topic that belongs into another folder',
    onStart: 'opens the other folder, and not this one',
  },
  unfinishedTopic: {
    severity: 'note',
    what: 'no definition and no message: the topic was being made when the process ended',
    onStart: 'makes the topic, without masks and filters',
  },
  tornCopy: { severity: 'note', what: 'a copy of a torn tail that was cut off', onStart: PASSED },
  badCopy: { severity: 'note', what: 'a copy of a position that was damaged', onStart: PASSED },
  temporaryFile: {
    severity: 'note',
    what: 'a file that was being written when the process ended',
    onStart: 'removes it',
  },
  removedTopic: {
    severity: 'note',
    what: 'a removed topic whose files are not all deleted',
    onStart: 'deletes them',
  },
  unknownFile: { severity: 'note', what: 'a file of someone else', onStart: PASSED },
  unknownFolder: { severity: 'note', what: 'a folder of someone else', onStart: PASSED },
  notRegular: {
    severity: 'note',
    what: 'a link, pipe or device in the place of a file',
    onStart: 'does not follow it',
  },
  openMode: {
    severity: 'note',
    what: 'others than the owner may use it',
    onStart: 'leaves its mode alone',
  },
  unreadable: {
    severity: 'unchecked',
    what: 'it cannot be read',
    onStart: 'fails to open the topic where it needs this',
  },
} as const satisfies Readonly<Record<string, ProblemInfo>>;

export type ProblemKind = keyof typeof problemInfo;

/** One finding, as --json shows it. */
export interface Problem {
  kind: ProblemKind;
  severity: Severity;
  /** In the topic's folder, or in the data folder; '': the folder itself. */
  file: string;
  /** Where in the file it begins. */
  positionBytes: number;
  /** How much of the file it is about. */
  lengthBytes: number;
  /** The first offset it is about; null when it is about none. */
  offsetFrom: number | null;
  /** The offset behind the last one; null when it is about none. */
  offsetTo: number | null;
  /** What the file system said; null when it was not that. */
  reason: string | null;
  repaired: boolean;
}

export function makeProblem(
  kind: ProblemKind,
  file: string,
  about: Partial<Omit<Problem, 'kind' | 'severity' | 'file'>> = {},
): Problem {
  return {
    kind,
    severity: problemInfo[kind].severity,
    file,
    positionBytes: 0,
    lengthBytes: 0,
    offsetFrom: null,
    offsetTo: null,
    reason: null,
    repaired: false,
    ...about,
  };
}
