/**
 * Small pictures of the programme: asks a player for those at some moments, and decodes them.
 *
 * A thumbnail is `{url, x, y, width, height}`: a sheet, and the part of it to show, in pixels.
 */

/** Where pictures are asked for, as parts of the duration. */
const POSITIONS = [0, 0.35, 0.7, 0.999];

/** A picture as the browser decodes it. */
async function decode(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  const bitmap = await createImageBitmap(await response.blob());
  const size = { width: bitmap.width, height: bitmap.height };
  bitmap.close();
  return size;
}

/**
 * @param {(time: number) => Promise<object|null>} thumbnail asks the player for the one of a moment.
 * @param {{width: number, height: number}} declared the size of one.
 * @param {(text: string) => void} problem is told what is wrong.
 * @returns what came back, with the size of each sheet as decoded.
 */
export async function lookAtPictures(thumbnail, duration, declared, problem) {
  const results = [];
  for (const position of POSITIONS) {
    const time = position * duration;
    const what = `thumbnail of ${time} s`;
    const found = await thumbnail(time);
    if (found === null) {
      problem(`${what}: the player has none`);
      continue;
    }
    const { x, y, width, height } = found;
    let sheet = null;
    try {
      sheet = await decode(found.url);
    } catch (error) {
      problem(`${what}: ${found.url} is no picture (${error.message})`);
      continue;
    }
    if (width !== declared.width || height !== declared.height) {
      problem(`${what}: ${width}x${height}, declared ${declared.width}x${declared.height}`);
    }
    if (x < 0 || y < 0 || x + width > sheet.width || y + height > sheet.height) {
      problem(`${what}: ${width}x${height} at ${x},${y} is not in ${sheet.width}x${sheet.height}`);
    }
    results.push({ time, x, y, width, height, sheet });
  }
  const places = new Set(results.map(({ x, y }) => `${x},${y}`));
  if (results.length > 1 && places.size === 1) problem('every thumbnail is the same');
  return results;
}

/** The thumbnails of a WebVTT sprite map, as web pages read it: with the browser's own text track. */
export async function spriteMap(url) {
  const video = document.createElement('video');
  const track = document.createElement('track');
  track.kind = 'metadata';
  track.src = url;
  video.append(track);
  const loaded = new Promise((resolve, reject) => {
    track.addEventListener('load', resolve);
    track.addEventListener('error', () => reject(new Error(`${url} is no WebVTT`)));
  });
  track.track.mode = 'hidden';
  await loaded;
  const cues = [...track.track.cues];
  return async (time) => {
    const cue = cues.find((one) => one.startTime <= time && time < one.endTime);
    const match = /^(.*)#xywh=(\d+),(\d+),(\d+),(\d+)$/.exec(cue?.text ?? '');
    if (match === null) return null;
    const [x, y, width, height] = match.slice(2).map(Number);
    return { url: new URL(match[1], url).href, x, y, width, height };
  };
}
