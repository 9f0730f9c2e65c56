/**
 * What the manifests themselves declare, read without any player, so that a player that silently
 * leaves out a rung or a second of the programme is found out.
 *
 * A reader for checking, not a validator: it takes what RFC 8216 and ISO/IEC 23009-1 say from a
 * well-formed static package.
 */

/**
 * @typedef {Object} Declared
 * @property {number} duration seconds of the longest track.
 * @property {number|null} frameRate highest declared frame rate; null when none is declared.
 * @property {boolean} audio whether there is audio.
 * @property {string[]} text the languages of the tracks of subtitles.
 * @property {{width: number, height: number}|null} thumbnail the size of a small picture; null
 *   when none are declared.
 * @property {{id: string, width: number, height: number, codecs: string, supported: boolean}[]}
 *   rungs the distinct video renditions, with whether this browser decodes them.
 */

const TILES = 'http://dashif.org/guidelines/thumbnail_tile';

/** What a playlist is called: its path from the manifest at `url`, without percent-encoding. */
export function playlistName(uri, url) {
  return decodeURI(new URL(uri, url).href.replace(new URL('.', url).href, ''));
}

async function fetchText(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: HTTP ${response.status}`);
  return response.text();
}

/** Attributes of an HLS tag, with quotes taken off. */
function attributes(line) {
  const found = {};
  for (const [, name, value] of line.matchAll(/([A-Z0-9-]+)=("[^"]*"|[^",]+)/g)) {
    found[name] = value.replace(/^"|"$/g, '');
  }
  return found;
}

function isVideoCodec(codec) {
  return /^(avc[13]|hvc1|hev1|dvh1|dvhe|av01|vp0?[89]|vvc1)/.test(codec);
}

function supported(type, codecs) {
  return codecs === '' || MediaSource.isTypeSupported(`${type}; codecs="${codecs}"`);
}

function fraction(text) {
  const [numerator, denominator = '1'] = text.split('/');
  return Number(numerator) / Number(denominator);
}

async function mediaPlaylistDuration(url) {
  const text = await fetchText(url);
  return [...text.matchAll(/^#EXTINF:([0-9.]+)/gm)].reduce((sum, [, d]) => sum + Number(d), 0);
}

async function readHls(url) {
  const lines = (await fetchText(url)).split(/\r?\n/);
  const playlists = new Set();
  const rungs = new Map();
  const rates = [];
  let audio = false;
  const text = [];
  let thumbnail = null;
  for (const [index, line] of lines.entries()) {
    if (line.startsWith('#EXT-X-MEDIA:')) {
      const media = attributes(line);
      if (media.TYPE === 'AUDIO') {
        audio = true;
        if (media.URI) playlists.add(media.URI);
      }
      if (media.TYPE === 'SUBTITLES') text.push(media.LANGUAGE ?? '');
    } else if (line.startsWith('#EXT-X-IMAGE-STREAM-INF:')) {
      const [width, height] = attributes(line).RESOLUTION.split('x').map(Number);
      thumbnail = { width, height };
    } else if (line.startsWith('#EXT-X-STREAM-INF:')) {
      const variant = attributes(line);
      const uri = lines.slice(index + 1).find((next) => next !== '' && !next.startsWith('#'));
      const codecs = (variant.CODECS ?? '').split(',').map((codec) => codec.trim());
      audio ||= codecs.some((codec) => codec !== '' && !isVideoCodec(codec));
      playlists.add(uri);
      if (variant.RESOLUTION === undefined) continue;
      if (variant['FRAME-RATE']) rates.push(Number(variant['FRAME-RATE']));
      const video = codecs.filter(isVideoCodec).join(',');
      const [width, height] = variant.RESOLUTION.split('x').map(Number);
      rungs.set(uri, {
        id: playlistName(uri, url),
        width,
        height,
        codecs: video,
        supported: supported('video/mp4', video),
      });
    }
  }
  const durations = await Promise.all(
    [...playlists].map((uri) => mediaPlaylistDuration(new URL(uri, url))),
  );
  return {
    duration: Math.max(...durations),
    frameRate: rates.length > 0 ? Math.max(...rates) : null,
    audio,
    text,
    thumbnail,
    rungs: [...rungs.values()],
  };
}

/** Seconds of an xs:duration without years and months. */
function isoDuration(text) {
  const match = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:([0-9.]+)S)?)?$/.exec(text ?? '');
  if (match === null) throw new Error(`mediaPresentationDuration="${text}" is not a duration`);
  const [days, hours, minutes, seconds] = match.slice(1).map((part) => Number(part ?? 0));
  return ((days * 24 + hours) * 60 + minutes) * 60 + seconds;
}

async function readDash(url) {
  const document = new DOMParser().parseFromString(await fetchText(url), 'application/xml');
  if (document.querySelector('parsererror') !== null) {
    throw new Error(`${url}: ${document.querySelector('parsererror').textContent}`);
  }
  const rungs = [];
  const rates = [];
  let audio = false;
  const text = [];
  let thumbnail = null;
  const representations = document.querySelectorAll('Period > AdaptationSet > Representation');
  for (const representation of representations) {
    const set = representation.parentElement;
    const get = (name) => representation.getAttribute(name) ?? set.getAttribute(name) ?? '';
    const kind = get('contentType') || get('mimeType').split('/')[0];
    const tiles = representation.querySelector(`EssentialProperty[schemeIdUri="${TILES}"]`);
    if (tiles !== null) {
      const [columns, rows] = tiles.getAttribute('value').split('x').map(Number);
      thumbnail = { width: Number(get('width')) / columns, height: Number(get('height')) / rows };
      continue;
    }
    // Trick play declares what a client must know to use it, and is no rung.
    if (set.querySelector(':scope > EssentialProperty') !== null) continue;
    if (kind === 'audio') audio = true;
    if (kind === 'text') text.push(get('lang'));
    if (kind !== 'video') continue;
    if (get('frameRate')) rates.push(fraction(get('frameRate')));
    rungs.push({
      id: get('id'),
      width: Number(get('width')),
      height: Number(get('height')),
      codecs: get('codecs'),
      supported: supported(get('mimeType') || 'video/mp4', get('codecs')),
    });
  }
  return {
    duration: isoDuration(document.documentElement.getAttribute('mediaPresentationDuration')),
    frameRate: rates.length > 0 ? Math.max(...rates) : null,
    audio,
    text,
    thumbnail,
    rungs,
  };
}

/** @returns {Promise<Declared>} what `url` (an .m3u8 or .mpd) declares. */
export function readManifest(url) {
  return new URL(url).pathname.endsWith('.mpd') ? readDash(url) : readHls(url);
}
