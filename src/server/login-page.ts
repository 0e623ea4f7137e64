/**
 * The form to log in: what a browser sees at `/` of a broker with tokens before it has one. It is
 * shown to anyone, so it tells nothing of the broker.
 */
import { HTML_HEADER_LINES, type HtmlPage, PAGE_STYLE } from './page-frame.js';

/** `problem`: why the last try was refused; fixed text. */
export function loginPage(problem: string | null): HtmlPage {
  const notice = problem === null ? '' : `<p role="alert">${problem}</p>\n`;
  const body = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>zbus</title>
<style>${PAGE_STYLE}
input,button{font:inherit;padding:.4rem .7rem;border:1px solid var(--line);border-radius:8px;
background:var(--box);color:inherit}
</style>
</head>
<body>
<main>
<h1>zbus</h1>
<p>This broker asks for a token.</p>
${notice}<form method="post" action="/login">
<p><label>Token <input name="token" type="password" autocomplete="current-password"
required autofocus></label> <button>Log in</button></p>
</form>
</main>
</body>
</html>
`;
  return { headerLines: HTML_HEADER_LINES, body };
}
