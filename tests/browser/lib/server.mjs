/**
 * A static server on 127.0.0.1 for one package, the pages and the player libraries.
 *
 * It knows byte ranges and the media types the players look at, and it keeps what went wrong with
 * the package's own files: a missing file and a byte range that is not there are faults of the
 * package, whatever the player makes of them.
 */

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize, sep } from 'node:path';

const MIME_TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.jpeg': 'image/jpeg',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript; charset=utf-8',
  '.m3u8': 'application/vnd.apple.mpegurl',
  '.m4a': 'audio/mp4',
  '.m4s': 'video/mp4',
  '.mjs': 'text/javascript; charset=utf-8',
  '.mp4': 'video/mp4',
  '.mpd': 'application/dash+xml',
  '.png': 'image/png',
  '.vtt': 'text/vtt; charset=utf-8',
};

/** First and last byte a Range header asks for; null: no range; undefined: cannot be satisfied. */
export function parseRange(header, size) {
  if (header === undefined) return null;
  const match = /^bytes=(\d*)-(\d*)$/.exec(header.trim());
  // Several ranges or another unit: HTTP lets a server ignore the header and send everything.
  if (match === null || (match[1] === '' && match[2] === '')) return null;
  if (match[1] === '') {
    const length = Math.min(Number(match[2]), size);
    return length === 0 ? undefined : { first: size - length, last: size - 1 };
  }
  const first = Number(match[1]);
  const last = match[2] === '' ? size - 1 : Number(match[2]);
  if (first >= size || last < first) return undefined;
  return { first, last: Math.min(last, size - 1), cut: last >= size };
}

/** The file below `folder` that a URL path names, or null when it would lie outside. */
function fileFor(folder, urlPath) {
  let relative;
  try {
    relative = decodeURIComponent(urlPath);
  } catch {
    return null;
  }
  const path = normalize(join(folder, relative));
  return relative.includes('\0') || !path.startsWith(folder + sep) ? null : path;
}

/**
 * Serve folders under their prefixes.
 *
 * @param {Object<string, string>} mounts URL prefix ("/package/") to absolute folder.
 * @param {string} watched the prefix whose faults are reported.
 * @param {function(string): void} onFault called with a sentence for each fault.
 * @returns {Promise<{origin: string, close: function(): Promise<void>}>}
 */
export async function serve(mounts, watched, onFault) {
  async function handle(request, response) {
    const { pathname } = new URL(request.url, 'http://127.0.0.1');
    const prefix = Object.keys(mounts).find((candidate) => pathname.startsWith(candidate));
    const name = prefix === undefined ? pathname : pathname.slice(prefix.length);
    const fault = (text) => {
      if (prefix === watched) onFault(`${name}: ${text}`);
    };
    const refuse = (status, headers = {}) => {
      response.writeHead(status, { 'Content-Length': 0, ...headers });
      response.end();
    };
    if (pathname === '/favicon.ico') return refuse(204);
    if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(405);
    const path = prefix === undefined ? null : fileFor(mounts[prefix], name);
    const info = path === null ? null : await stat(path).catch(() => null);
    if (info === null || !info.isFile()) {
      fault('HTTP 404, the package has no such file');
      return refuse(404);
    }
    const range = parseRange(request.headers.range, info.size);
    if (range === undefined) {
      fault(`HTTP 416, ${request.headers.range} of a file of ${info.size} bytes`);
      return refuse(416, { 'Content-Range': `bytes */${info.size}` });
    }
    if (range?.cut) fault(`${request.headers.range} goes beyond its ${info.size} bytes`);
    const first = range?.first ?? 0;
    const last = range?.last ?? info.size - 1;
    const headers = {
      'Accept-Ranges': 'bytes',
      'Cache-Control': 'no-store',
      'Content-Length': last - first + 1,
      'Content-Type': MIME_TYPES[extname(path).toLowerCase()] ?? 'application/octet-stream',
    };
    if (range !== null) headers['Content-Range'] = `bytes ${first}-${last}/${info.size}`;
    response.writeHead(range === null ? 200 : 206, headers);
    if (request.method === 'HEAD' || info.size === 0) return response.end();
    const stream = createReadStream(path, { start: first, end: last });
    stream.on('error', (error) => {
      fault(`cannot be read: ${error.message}`);
      response.destroy();
    });
    // A player that changes its mind drops the connection; the file must be let go then.
    response.on('close', () => stream.destroy());
    return stream.pipe(response);
  }

  const server = createServer((request, response) => {
    handle(request, response).catch((error) => {
      onFault(`${request.url}: ${error.message}`);
      response.destroy();
    });
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
