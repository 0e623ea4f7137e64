/** What the HTML pages share: headers, style, escaping. Used by home.ts and login-page.ts. */

export interface HtmlPage {
  readonly headerLines: string;
  /** ASCII. */
  readonly body: string;
}

export const HTML_HEADER_LINES =
  'content-type: text/html; charset=utf-8\r\n' +
  "content-security-policy: default-src 'self'; style-src 'unsafe-inline'; " +
  "form-action 'self'; frame-ancestors 'none'\r\n" +
  'cache-control: no-store\r\n';

export const PAGE_STYLE = `
:root{color-scheme:light dark;--text:#1c2330;--soft:#5c6678;--line:#d9dee7;--box:#f4f6f9;
--page:#fff}
@media(prefers-color-scheme:dark){:root{--text:#e6e9ef;--soft:#98a2b3;--line:#333b48;--box:#1d232d;
--page:#14181f}}
body{margin:0;background:var(--page);color:var(--text);font:16px/1.55 system-ui,sans-serif}
main{max-width:46rem;margin:0 auto;padding:3rem 1.25rem}
h1{margin:0;font-size:2rem}h1 small{color:var(--soft);font-size:1rem;font-weight:400}
h2{margin:2.25rem 0 .5rem;font-size:1.1rem}
p{margin:.25rem 0;color:var(--soft)}
pre{margin:0;padding:.9rem 1rem;overflow-x:auto;background:var(--box);border:1px solid var(--line);
border-radius:8px;font:14px/1.6 ui-monospace,monospace}
table{width:100%;border-collapse:collapse}
th,td{padding:.4rem .5rem .4rem 0;border-bottom:1px solid var(--line);text-align:left;
font-weight:400;vertical-align:top}
th{width:45%;font:14px/1.6 ui-monospace,monospace}`;

export function escapeHtml(text: string): string {
  return text.replace(/[^\x20-\x7e]|[&<>"']/gu, (char) => `&#${char.codePointAt(0) ?? 0};`);
}
