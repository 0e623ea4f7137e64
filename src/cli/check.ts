/**
 * `zbus check DIR`: prints what broker/check.ts finds, for people or as JSON, and says by its exit
 * code whether the folder is sound. Shows progress on stderr where someone watches it.
 */
import type { Command } from 'commander';
import type { FolderReport, Verdict } from '../broker/check.js';
import { ZbusError } from '../errors.js';
import { checkText } from './check-text.js';
import { ExitCode } from './outcome.js';

interface CheckFlags {
  readonly json?: boolean;
  readonly repair?: boolean;
}

/** As of a command line that breaks a rule: 1 says that the data is damaged. */
const CANNOT_CHECK = ExitCode.usage;

const EXIT_CODES: Readonly<Record<Verdict, number>> = {
  sound: 0,
  damaged: 1,
  unchecked: CANNOT_CHECK,
};
/** Less is read before anyone could look at a progress line. */
const PROGRESS_BYTES_MIN = 256 * 1024 * 1024;
const CLEAR_LINE = '\r\x1b[K';

export function defineCheckCommand(command: Command): void {
  command
    .argument('<dir>', 'the data folder')
    .option('--json', 'print the report as JSON')
    .option('--repair', 'write missing and damaged indexes anew; nothing else is changed')
    .allowExcessArguments(false)
    .action(check);
}

/** Sets the exit code of the process. */
async function check(dir: string, flags: CheckFlags): Promise<void> {
  // Imported here because --help and --version must not need the addon.
  const { checkFolder } = await import('../broker/check.js');
  let report: FolderReport;
  try {
    report = await checkFolder({
      dir,
      repair: flags.repair === true,
      ...(process.stderr.isTTY ? { onProgress: showProgress } : {}),
    });
  } catch (error) {
    if (!(error instanceof ZbusError)) throw error;
    process.stderr.write(`zbus: ${error.message}\n`);
    process.exitCode = CANNOT_CHECK;
    return;
  }
  if (process.stderr.isTTY) process.stderr.write(CLEAR_LINE);
  const text = flags.json === true ? JSON.stringify(report, null, 2) : checkText(report);
  process.stdout.write(`${text}\n`);
  process.exitCode = EXIT_CODES[report.verdict];
}

function showProgress(bytesRead: number, bytesTotal: number): void {
  if (bytesTotal < PROGRESS_BYTES_MIN) return;
  // Headers are read twice.
  const percent = Math.min(99, Math.floor((bytesRead / bytesTotal) * 100));
  process.stderr.write(`${CLEAR_LINE}zbus: checking, ${percent} % of ${bytesTotal} bytes`);
}
