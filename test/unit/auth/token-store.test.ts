/** A changed token file is in force within a second; one that cannot be used changes nothing. */
import assert from 'node:assert/strict';
import { chmodSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { TokenStore } from '../../../src/auth/token-store.js';
import { cleanUp, onCleanUp } from '../../support/cleanup.js';
import { ManualClock } from '../../support/manual-clock.js';
import { replaceTokens, secretOf, token, tokenFile } from '../../support/tokens.js';

const A = token('a', ['produce']);
const B = token('b', ['produce']);

class Stored {
  readonly file = tokenFile([A]);
  readonly clock = new ManualClock();
  readonly errors: string[] = [];
  readonly store: TokenStore;

  constructor() {
    const silent = (): void => undefined;
    const error = (fields: object): void => void this.errors.push(JSON.stringify(fields));
    const log = { debug: silent, info: silent, warn: silent, error };
    this.store = new TokenStore(this.file, this.clock, log);
    onCleanUp(() => {
      this.store.close();
    });
  }

  /** Names of those of a and b that are let in. */
  get names(): string[] {
    return ['a', 'b'].filter((name) => this.store.find(secretOf(name)) !== null);
  }

  tick(): void {
    this.clock.advance(1000);
  }
}

describe('the tokens of a running broker', () => {
  afterEach(cleanUp);

  it('follow the file within a second, however it was changed', () => {
    const stored = new Stored();
    writeFileSync(stored.file, JSON.stringify([A, B]));
    stored.tick();
    assert.deepEqual(stored.names, ['a', 'b']);
    replaceTokens(stored.file, [B]);
    stored.tick();
    assert.deepEqual(stored.names, ['b']);
  });

  it('follow the file at once when told to', () => {
    const stored = new Stored();
    replaceTokens(stored.file, [A, B]);
    assert.deepEqual(stored.names, ['a']);
    stored.store.reload();
    assert.deepEqual(stored.names, ['a', 'b']);
  });

  const damages: readonly [what: string, damage: (file: string) => void][] = [
    [
      'is half written',
      (file) => {
        writeFileSync(file, '[{"name"');
      },
    ],
    [
      'breaks a rule',
      (file) => {
        writeFileSync(file, '[{"name":"x"}]');
      },
    ],
    [
      'can be read by others',
      (file) => {
        chmodSync(file, 0o644);
      },
    ],
    [
      'is gone',
      (file) => {
        rmSync(file);
      },
    ],
  ];
  for (const [what, damage] of damages) {
    it(`stay when the file ${what}, which is logged once`, () => {
      const stored = new Stored();
      damage(stored.file);
      for (let i = 0; i < 5; i++) stored.tick();
      assert.deepEqual(stored.names, ['a']);
      assert.equal(stored.errors.length, 1, stored.errors.join());
      assert(!stored.errors.join().includes(A.secret));
    });

    it(`follow the file again once it no longer ${what}`, () => {
      const stored = new Stored();
      damage(stored.file);
      stored.tick();
      replaceTokens(stored.file, [A, B]);
      stored.tick();
      assert.deepEqual(stored.names, ['a', 'b']);
    });
  }

  it('tell of the same damage again when it comes back', () => {
    const stored = new Stored();
    for (let i = 0; i < 2; i++) {
      renameSync(stored.file, `${stored.file}.away`);
      stored.tick();
      renameSync(`${stored.file}.away`, stored.file);
      stored.tick();
    }
    assert.equal(stored.errors.length, 2);
  });

  it('keep their grants when the file is written anew with the same content', () => {
    const stored = new Stored();
    const grant = stored.store.find(A.secret);
    writeFileSync(stored.file, `${readFileSync(stored.file, 'utf8')}\n`);
    stored.tick();
    assert.equal(stored.store.find(A.secret), grant);
    assert.equal(grant?.revoked, false);
  });
});
