/**
 * Use the page of `encoder preview` as a person would, and print what it showed as JSON.
 *
 * Usage: node preview.mjs URL [--chromium PATH] [--screenshot FILE] [--play]
 *
 * With --play it is only played to its end.
 */

import { writeFileSync } from 'node:fs';
import process from 'node:process';
import { parseArgs } from 'node:util';

import { findChromium, launch } from './lib/chromium.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { chromium: { type: 'string' }, screenshot: { type: 'string' }, play: { type: 'boolean' } },
});
const [url] = positionals;
const executable = await findChromium(values.chromium);
if (url === undefined || executable === null) process.exit(2);

const errors = [];
const browser = await launch(
  executable,
  (error) => errors.push(error.message),
  () => {},
);

/** Waits until an expression is true in the page; its last value, if it never is. */
async function until(expression, seconds = 40) {
  const end = Date.now() + 1000 * seconds;
  let value = false;
  while (Date.now() < end) {
    value = await browser.evaluate(expression);
    if (value) return value;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`never true: ${expression}`);
}

const press = (key, more = '') =>
  browser.evaluate(`document.body.dispatchEvent(new KeyboardEvent('keydown', { key: ${JSON.stringify(key)},
    bubbles: true, cancelable: true ${more} })), true`);
const settled = 'document.getElementById("video").readyState >= 2 && !document.getElementById("video").seeking';
const text = (id) => browser.evaluate(`document.getElementById('${id}').textContent`);

const seen = {};
try {
  await browser.navigate(url);
  await until(`window.preview && window.preview.hls && ${settled}`);
  seen.title = await text('title');
  seen.rungs = await browser.evaluate(
    '[...document.querySelectorAll("#rungs button")].map((one) => one.textContent)',
  );
  seen.first = await text('now');
  if (!values.play) {
  // A frame on, twice, and one back.
  for (const key of ['ArrowRight', 'ArrowRight', 'ArrowLeft']) {
    const before = await browser.evaluate('window.preview.frame');
    await press(key);
    await until(`window.preview.frame !== ${before} && ${settled}`);
  }
  seen.stepped = await browser.evaluate('window.preview.frame');
  // Beside the master: its frame of the same number.
  await press('c');
  await until('window.preview.pictured === window.preview.frame');
  seen.mode = await browser.evaluate('document.getElementById("stage").dataset.mode');
  seen.pictured = await browser.evaluate('window.preview.pictured');
  seen.picture = await browser.evaluate(
    '[document.getElementById("frame").naturalWidth, document.getElementById("frame").naturalHeight]',
  );
  if (values.screenshot) writeFileSync(values.screenshot, await browser.screenshot());
  // The mean difference of both, as drawn: they show the same.
  seen.difference = await browser.evaluate(`(() => {
    const draw = (what) => {
      const canvas = document.createElement('canvas');
      canvas.width = 64; canvas.height = 36;
      const pen = canvas.getContext('2d');
      pen.drawImage(what, 0, 0, 64, 36);
      return pen.getImageData(0, 0, 64, 36).data;
    };
    const [a, b] = [draw(document.getElementById('video')), draw(document.getElementById('frame'))];
    let sum = 0;
    a.forEach((value, n) => { sum += Math.abs(value - b[n]); });
    return sum / a.length;
  })()`);
  // The cheapest rung.
  await browser.evaluate('document.querySelectorAll("#rungs button")[document.querySelectorAll("#rungs button").length - 1].click(), true');
  await until('window.preview.hls.currentLevel === 0');
  seen.cheapest = await text('now');
  await press('w');
  await until(`window.preview.frame !== ${seen.stepped} && ${settled}`);
  seen.worst = await browser.evaluate('window.preview.frame');
  await press('End');
  await until(`window.preview.frame === window.preview.data.frames - 1 && ${settled}`);
  seen.last = await browser.evaluate('window.preview.frame');
  }
  // Back, and played to the end.
  await press('Home');
  await until(`window.preview.frame === 0 && ${settled}`);
  await browser.evaluate('document.getElementById("video").playbackRate = 4, document.getElementById("video").muted = true, true');
  await press(' ');
  await until('document.getElementById("video").ended');
  seen.ended = await browser.evaluate('document.getElementById("video").ended');
  seen.problem = await text('problem');
  // Nothing but this machine was asked for.
  seen.hosts = await browser.evaluate(
    '[...new Set(performance.getEntriesByType("resource").map((one) => new URL(one.name).host))]',
  );
} catch (error) {
  errors.push(String(error));
} finally {
  await browser.close();
}
process.stdout.write(`${JSON.stringify({ ...seen, errors })}\n`, () => process.exit(0));
