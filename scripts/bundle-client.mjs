/**
 * Makes dist/browser.js, the client for pages as one file that needs nothing else. Called by
 * compile-typescript.mjs. Promises that the licences of what is in it are in it too.
 */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { buildSync } from 'esbuild';
import { root } from './toolchain.mjs';

/** Names no version: strangers may load the file from a broker that asks for tokens. */
const BANNER = '/*! zbus for pages, MIT; the licences of what it contains are at the end */';

/**
 * The licences of the packages that the files are of.
 * @param {string[]} files relative to the root
 */
function licencesOf(files) {
  const folders = files.flatMap((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file) ?? []);
  const texts = [...new Set(folders)].sort().map((folder) => {
    const licence = readdirSync(join(root, folder)).find((name) => /^licen[cs]e/i.test(name));
    if (licence === undefined) throw new Error(`${folder} has no licence to put into the bundle`);
    const name = folder.replace(/^.*node_modules\//, '');
    const text = readFileSync(join(root, folder, licence), 'utf8');
    return `Contains ${name}:\n\n${text.trim()}\n`;
  });
  return `/*!\n${texts.join('\n').replaceAll('*/', '* /')}*/`;
}

/**
 * Minified, because pages load it as it is; names of classes are kept, since errors show theirs.
 * Throws when there is no such file to make.
 * @param {string} outfile
 */
export function bundleClient(outfile) {
  const { outputFiles, metafile } = buildSync({
    absWorkingDir: root,
    entryPoints: ['src/browser.ts'],
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    minify: true,
    keepNames: true,
    legalComments: 'none',
    alias: { 'node:buffer': 'buffer' },
    metafile: true,
    write: false,
    logLevel: 'warning',
  });
  const code = outputFiles.map(({ text }) => text).join('');
  const licences = licencesOf(Object.keys(metafile.inputs));
  const bytes = Buffer.from(`${BANNER}\n${code}${licences}\n`);
  writeFileSync(outfile, bytes);
  const sizes = [bytes, gzipSync(bytes)].map(({ length }) => `${(length / 1024).toFixed(1)} KiB`);
  console.log(`the client for pages: ${sizes.join(', with gzip ')}`);
}
