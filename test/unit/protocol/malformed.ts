/**
 * Requests that must be refused, with the status each gets under the default limits. Shared by the
 * tests of the codec and of the server. Each row alone, without a byte behind it, is enough to be
 * refused.
 */
import { Buffer } from 'node:buffer';

export interface MalformedRequest {
  readonly name: string;
  readonly bytes: Buffer;
  readonly status: number;
}

/** The defaults, which the rows on limits exceed by one. */
export const limits = { headerBytesMax: 16_384, headersMax: 100, bodyBytesMax: 16 * 1024 * 1024 };

const POST = 'POST /produce/T HTTP/1.1\r\n';
const GET = 'GET /consume/T HTTP/1.1\r\n';
const CHUNKED = `${POST}transfer-encoding: chunked\r\n\r\n`;

/** A head of exactly `bytes` bytes. */
export function headOfBytes(bytes: number): string {
  const padding = bytes - `${GET}x: \r\n\r\n`.length;
  return `${GET}x: ${'a'.repeat(padding)}\r\n\r\n`;
}

/** A head with exactly `count` headers. */
export function headOfHeaders(count: number): string {
  return `${GET}${Array.from({ length: count }, (_, i) => `h${i}: v\r\n`).join('')}\r\n`;
}

function row(name: string, status: number, text: string): MalformedRequest {
  return { name, status, bytes: Buffer.from(text, 'latin1') };
}

function length(value: string): string {
  return `${POST}content-length: ${value}\r\n\r\n`;
}

function encoding(value: string): string {
  return `${POST}transfer-encoding: ${value}\r\n\r\n`;
}

function header(line: string): string {
  return `${GET}${line}\r\n\r\n`;
}

export const malformed: readonly MalformedRequest[] = [
  row(
    'content-length and transfer-encoding',
    400,
    `${POST}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
  ),
  row(
    'transfer-encoding and content-length',
    400,
    `${POST}transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n`,
  ),
  row(
    'two different content-lengths',
    400,
    `${POST}content-length: 5\r\nContent-Length: 6\r\n\r\n`,
  ),
  row('two equal content-lengths', 400, `${POST}content-length: 5\r\nContent-Length: 5\r\n\r\n`),
  row('content-length as a list', 400, length('5, 5')),
  row('content-length with a plus', 400, length('+5')),
  row('content-length below zero', 400, length('-1')),
  row('content-length in hex', 400, length('0x5')),
  row('content-length with an exponent', 400, length('1e3')),
  row('content-length with a point', 400, length('5.0')),
  row('content-length with an underscore', 400, length('1_000')),
  row('content-length of two numbers', 400, length('5 5')),
  row('content-length without a value', 400, length('')),
  row('content-length in other digits', 400, length('\u00b2')),
  row('content-length of 2^53', 413, length('9007199254740992')),
  row('content-length of 2^64', 413, length('18446744073709551616')),
  row('content-length of 2^64 + 5', 413, length('18446744073709551621')),
  row('content-length of 400 digits', 413, length('9'.repeat(400))),
  row('content-length one over the limit', 413, length(String(limits.bodyBytesMax + 1))),

  row('transfer-encoding xchunked', 501, encoding('xchunked')),
  row('transfer-encoding gzip', 501, encoding('gzip')),
  row('transfer-encoding gzip, chunked', 501, encoding('gzip, chunked')),
  row('transfer-encoding identity', 501, encoding('identity')),
  row('transfer-encoding chunked, gzip', 400, encoding('chunked, gzip')),
  row('transfer-encoding chunked twice in one line', 400, encoding('chunked, chunked')),
  row('transfer-encoding without a value', 400, encoding('')),
  row('transfer-encoding with a vertical tab', 400, encoding('\x0bchunked')),
  row('transfer-encoding in quotes', 501, encoding('"chunked"')),
  row('transfer-encoding with a parameter', 501, encoding('chunked;q=1')),
  row(
    'transfer-encoding twice',
    400,
    `${POST}transfer-encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n`,
  ),
  row('transfer-encoding folded', 400, `${POST}transfer-encoding:\r\n chunked\r\n\r\n`),
  row(
    'transfer-encoding in HTTP/1.0',
    400,
    'POST /produce/T HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n',
  ),

  row('bare LF for every line end', 400, 'GET / HTTP/1.1\nhost: a\n\n'),
  row('bare LF behind the start line', 400, 'GET / HTTP/1.1\nhost: a\r\n\r\n'),
  row('bare LF behind a header', 400, 'GET / HTTP/1.1\r\nhost: a\nx: y\r\n\r\n'),
  row('bare LF for the empty line', 400, 'GET / HTTP/1.1\r\nhost: a\r\n\n'),
  row('bare LF before the start line', 400, '\nGET / HTTP/1.1\r\n\r\n'),
  row('CR only', 400, 'GET / HTTP/1.1\rhost: a\r\r'),
  row('CR in a value', 400, header('x: a\rb')),
  row('CR for the line end of a header', 400, 'GET / HTTP/1.1\r\nhost: a\rx: y\r\n\r\n'),
  row('a byte between the empty line and its LF', 400, 'GET / HTTP/1.1\r\nhost: a\r\n\rX'),
  row('CR twice before LF', 400, 'GET / HTTP/1.1\r\r\n\r\n'),
  row('header folded with a space', 400, header('x: a\r\n b')),
  row('header folded with a tab', 400, header('x: a\r\n\tb')),
  row('first header folded', 400, header(' x: a')),

  row('header without a name', 400, header(': a')),
  row('header of blanks', 400, header('  ')),
  row('space before the colon', 400, header('x : a')),
  row('tab before the colon', 400, header('x\t: a')),
  row('content-length with space before the colon', 400, `${POST}content-length : 5\r\n\r\n`),
  row('header without a colon', 400, header('nocolon')),
  row('header name with a space', 400, header('a b: c')),
  row('header name with NUL', 400, header('a\0b: c')),
  row('header name with a slash', 400, header('a/b: c')),
  row('header name with bytes above ASCII', 400, header('\xc3\xa9: c')),
  row('NUL in a value', 400, header('x: a\0b')),
  row('escape in a value', 400, header('x: a\x1bb')),
  row('DEL in a value', 400, header('x: a\x7fb')),
  row('expectation 100-continue among others', 417, `${POST}expect: 100-continue, x\r\n\r\n`),
  row('expectation twice', 400, header('expect: 100-continue\r\nexpect: 100-continue')),
  row('host twice', 400, `${GET}host: a\r\nHost: b\r\n\r\n`),
  row('unknown expectation', 417, `${POST}expect: 200-ok\r\ncontent-length: 1\r\n\r\n`),

  row('HTTP/0.9', 400, 'GET /\r\n'),
  row('version in lower case', 400, 'GET / http/1.1\r\n\r\n'),
  row('version without a minor number', 400, 'GET / HTTP/1\r\n\r\n'),
  row('version with two digits', 400, 'GET / HTTP/1.10\r\n\r\n'),
  row('version with a comma', 400, 'GET / HTTP/1,1\r\n\r\n'),
  row('blank behind the version', 400, 'GET / HTTP/1.1 \r\n\r\n'),
  row('HTTP/2.0 in the start line', 505, 'GET / HTTP/2.0\r\n\r\n'),
  row('HTTP/0.9 with a version', 505, 'GET / HTTP/0.9\r\n\r\n'),
  row('HTTP/2 preface', 505, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  row('HTTP/3.0 in the start line', 505, 'GET / HTTP/3.0\r\n\r\n'),
  row('TLS ClientHello', 400, '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'),
  row('a reply instead of a request', 400, 'HTTP/1.1 200 OK\r\n\r\n'),
  row('no method', 400, ' / HTTP/1.1\r\n\r\n'),
  row('no target', 400, 'GET  HTTP/1.1\r\n\r\n'),
  row('method and version alone', 400, 'GET HTTP/1.1\r\n\r\n'),
  row('method that is no token', 400, 'G(T / HTTP/1.1\r\n\r\n'),
  row('two spaces behind the method', 400, 'GET  / HTTP/1.1\r\n\r\n'),
  row('tab behind the method', 400, 'GET\t/ HTTP/1.1\r\n\r\n'),
  row('space in the target', 400, 'GET /a b HTTP/1.1\r\n\r\n'),
  row('NUL in the target', 400, 'GET /a\0b HTTP/1.1\r\n\r\n'),
  row('DEL in the target', 400, 'GET /a\x7fb HTTP/1.1\r\n\r\n'),
  row('a JSON line', 400, '{"cmd":"produce"}\r\n'),
  row('an SMTP greeting', 400, 'EHLO localhost\r\n'),
  row('a Redis command', 400, '*1\r\n$4\r\nPING\r\n'),
  row('five empty lines', 400, '\r\n'.repeat(5)),

  row('header block one byte over the limit', 431, headOfBytes(limits.headerBytesMax + 1)),
  row('one header too many', 431, headOfHeaders(limits.headersMax + 1)),
  row('start line without end', 414, `GET /${'a'.repeat(limits.headerBytesMax)}`),
  row('header line without end', 431, `${GET}x: ${'a'.repeat(limits.headerBytesMax)}`),

  row('chunk size that is no number', 400, `${CHUNKED}xyz\r\n`),
  row('chunk size without digits', 400, `${CHUNKED}\r\n`),
  row('chunk size with a sign', 400, `${CHUNKED}+5\r\nhello\r\n`),
  row('chunk size with 0x', 400, `${CHUNKED}0x5\r\nhello\r\n`),
  row('chunk size behind a space', 400, `${CHUNKED} 5\r\nhello\r\n`),
  row('chunk size before a space', 400, `${CHUNKED}5 \r\nhello\r\n`),
  row('chunk size of nine digits', 400, `${CHUNKED}000000005\r\nhello\r\n`),
  row('chunk size of 2^64 + 5', 400, `${CHUNKED}10000000000000005\r\nhello\r\n`),
  row('chunk size over the limit', 413, `${CHUNKED}1000001\r\n`),
  row('chunks over the limit together', 413, `${CHUNKED}1\r\na\r\n1000000\r\n`),
  row('chunk size ended by bare LF', 400, `${CHUNKED}5\nhello\r\n`),
  row('chunk extension with bare LF', 400, `${CHUNKED}5;a\nb\r\nhello\r\n`),
  row('chunk extension with bare CR', 400, `${CHUNKED}5;a\rb\r\nhello\r\n`),
  row('chunk extension with NUL', 400, `${CHUNKED}5;a\0\r\nhello\r\n`),
  row('chunk extension without end', 431, `${CHUNKED}5;${'a'.repeat(limits.headerBytesMax + 10)}`),
  row(
    'chunk extensions over the limit together',
    431,
    CHUNKED + `1;${'a'.repeat(4095)}\r\nx\r\n`.repeat(5),
  ),
  row('chunk longer than its size', 400, `${CHUNKED}5\r\nhello!\r\n`),
  row('chunk ended by bare LF', 400, `${CHUNKED}5\r\nhello\n`),
  row('chunk ended by bare CR', 400, `${CHUNKED}5\r\nhello\rx`),
  row('trailer that is no header', 400, `${CHUNKED}0\r\nnocolon\r\n\r\n`),
  row('trailer folded', 400, `${CHUNKED}0\r\na: b\r\n c\r\n\r\n`),
  row('trailers over the limit', 431, `${CHUNKED}0\r\nx: ${'a'.repeat(limits.headerBytesMax)}`),
  row('too many trailers', 431, `${CHUNKED}0\r\n${'a: b\r\n'.repeat(limits.headersMax + 1)}`),
];
