/** The binding of the check: what it refuses, in words for whoever runs it, and how it ends. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { StorageFailedError } from '../../../src/errors.js';
import { FolderCheck } from '../../../src/queue/folder-check.js';
import { loadAddon, type NativeError } from '../../../src/queue/native.js';
import { cleanUp, onCleanUp } from '../../support/cleanup.js';
import { tempFolder, usedFolder } from '../../support/temp-folder.js';

function open(dir: string, repair = false): FolderCheck {
  const check = new FolderCheck(dir, repair);
  onCleanUp(() => {
    check.close();
  });
  return check;
}

function refused(pattern: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert(error instanceof StorageFailedError);
    assert.match(error.message, pattern);
    return true;
  };
}

describe('folder check', () => {
  afterEach(cleanUp);

  it('says which folder is none, and how to name the right one', () => {
    const dir = tempFolder();
    const none = /^Cannot check .+: neither a lock file nor a topic is in .+; give the folder/;
    assert.throws(() => open(dir), refused(none));
    const absent = /^Cannot check .+: there is no folder .+; give the folder/;
    assert.throws(() => open(join(dir, 'absent')), refused(absent));
  });

  it('is kept out by a repair until that is closed', () => {
    const dir = usedFolder();
    const repair = new FolderCheck(dir, true);
    assert.throws(() => open(dir), refused(/a broker is running on it, or another check/));
    repair.close();
    assert.deepEqual(
      open(dir)
        .entries()
        .map(({ name }) => name),
      ['zbus.lock'],
    );
  });

  it('rejects what is asked of it once it is closed, and may be closed twice', () => {
    const addon = loadAddon();
    const check = addon.check_open(usedFolder(), false);
    addon.check_close(check);
    addon.check_close(check);
    const closed = (error: unknown): boolean => (error as NativeError).code === 'CLOSED';
    assert.throws(() => addon.check_list(check), closed);
    assert.throws(() => addon.check_bytes_read(check), closed);
    assert.throws(() => {
      addon.check_topic(check, 't', () => undefined);
    }, closed);
  });
});
