/**
 * What a test opened and must be closed however the test ends. Every opener registers here; every
 * test file that uses one says `afterEach(cleanUp)`.
 */

type CleanUpTask = () => void | Promise<void>;

const tasks: CleanUpTask[] = [];

/** Registers `task`; tasks run in the reverse order, so what was opened first is closed last. */
export function onCleanUp(task: CleanUpTask): void {
  tasks.push(task);
}

/** Runs every task, also when one fails; then throws the first failure. */
export async function cleanUp(): Promise<void> {
  const failures: unknown[] = [];
  for (let task = tasks.pop(); task !== undefined; task = tasks.pop()) {
    try {
      await task();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}
