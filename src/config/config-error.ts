/** What is thrown by whoever reads options and the files that they name. */

/** The configuration cannot be used; the message is one line that says what to change. */
export class ConfigError extends Error {
  readonly code = 'ZBUS_CONFIG';

  constructor(message: string) {
    super(message);
    this.name = 'ConfigError';
  }
}
