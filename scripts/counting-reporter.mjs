/**
 * Mocha's spec reporter that also tells scripts/test.mjs how many tests passed, failed and were
 * skipped, so that the total never depends on reading printed text.
 */
import Mocha from 'mocha';
import { report } from './results.mjs';

export default class CountingReporter extends Mocha.reporters.Spec {
  /**
   * @param {Mocha.Runner} runner
   * @param {Mocha.MochaOptions} options
   */
  constructor(runner, options) {
    super(runner, options);
    runner.once('end', () => {
      const { passes, failures, pending } = this.stats;
      report({ passed: passes, failed: failures, skipped: pending });
    });
  }
}
