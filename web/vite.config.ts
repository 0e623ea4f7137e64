/**
 * How the page is built: into dist/web by scripts/compile-typescript.mjs. Names hold a hash of
 * their content, since the broker lets browsers keep these files for ever.
 */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const styleOrImage = ({ names }: { readonly names: readonly string[] }): string =>
  names.some((name) => name.endsWith('.css'))
    ? 'css/[name]-[hash][extname]'
    : 'img/[name]-[hash][extname]';

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: '/',
  logLevel: 'warn',
  // The client speaks in Buffers, which a browser does not have.
  resolve: {
    alias: {
      'node:buffer': fileURLToPath(new URL('../node_modules/buffer/index.js', import.meta.url)),
    },
  },
  build: {
    target: 'es2022',
    // An inlined script or image would need a looser policy.
    assetsInlineLimit: 0,
    modulePreload: false,
    emptyOutDir: true,
    rolldownOptions: {
      output: {
        entryFileNames: 'js/[name]-[hash].js',
        chunkFileNames: 'js/[name]-[hash].js',
        assetFileNames: styleOrImage,
      },
    },
  },
});
