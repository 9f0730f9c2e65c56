/**
 * Play a package to its end in headless Chromium and say what happened.
 *
 * Exit codes: 0 played without a fault, 1 a fault was found, 2 wrong usage, 3 Chromium or the
 * player libraries are missing, 130 interrupted.
 */

import { existsSync } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { BrowserLost, findChromium, launch, within } from './lib/chromium.mjs';
import { serve } from './lib/server.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));

/** Patience for the page and the player library to load; a loaded machine is slow. */
const START_SECONDS = 60;

/** Patience for a page that plays to say what it saw. */
const ANSWER_SECONDS = 30;

/** How many browsers may be lost before a package is not played at all. */
const BROWSERS = 3;

const USAGE = `Usage: node play.mjs PACKAGE_DIR [options]

Plays PACKAGE_DIR (master.m3u8, manifest.mpd and their media) to its end in headless Chromium.

  --player NAME       hls (hls.js), dash (dash.js), shaka (Shaka Player on the MPD), shaka-hls
                      (Shaka Player on the multivariant playlist), or all (the default)
  --rungs             also switch to every rung while playing, and watch a second of each
  --seek              also seek around, and check the frame that is shown
  --through           also play every rung alone from its first byte to its last
  --rate R            playback rate, 0.25 to 16 (default 4)
  --duration SECONDS  the duration to expect (default: what the manifest declares)
  --frames N          the number of frames to expect (default: duration times frame rate)
  --frame-rate N/D    the frame rate to expect (default: what the manifest declares, or 24)
  --clear-key KID:KEY  a key of a protected package and its identifier, 32 hexadecimal digits
                      each; may be given several times
  --sprite-map NAME   also read thumbnails by this WebVTT file, as a web page does
  --hls NAME          the multivariant playlist (default master.m3u8)
  --dash NAME         the MPD (default manifest.mpd)
  --chromium PATH     the browser (default: ENCODER_CHROMIUM, or the first Chromium on PATH)
  --timeout SECONDS   the longest a player may take for everything (default 600)
  --json              print one JSON object instead of lines
`;

const PLAYERS = {
  hls: { page: 'hls', manifest: 'hls' },
  dash: { page: 'dash', manifest: 'dash' },
  shaka: { page: 'shaka', manifest: 'dash' },
  'shaka-hls': { page: 'shaka', manifest: 'hls' },
};

/** A mistake of the caller (2) or of the machine (3), with the exit code it asks for. */
class Refusal extends Error {
  constructor(exitCode, message) {
    super(message);
    this.exitCode = exitCode;
  }
}

function positive(text, name) {
  if (text === undefined) return null;
  const match = /^([0-9]+(?:\.[0-9]+)?)(?:\/([0-9]+))?$/.exec(text);
  const value = match === null ? NaN : Number(match[1]) / Number(match[2] ?? 1);
  if (!(value > 0) || !Number.isFinite(value)) {
    throw new Refusal(2, `--${name} ${text}: not a positive number`);
  }
  return value;
}

function clearKeysOf(given) {
  const pairs = given.map((text) => text.toLowerCase().split(':'));
  if (!pairs.every((pair) => pair.length === 2 && pair.every((one) => /^[0-9a-f]{32}$/.test(one)))) {
    throw new Refusal(2, '--clear-key: not KID:KEY, of 32 hexadecimal digits each');
  }
  return Object.fromEntries(pairs);
}

function readArguments(argv) {
  let parsed;
  try {
    parsed = parseArgs({
      args: argv,
      allowPositionals: true,
      options: {
        chromium: { type: 'string' },
        'clear-key': { type: 'string', multiple: true, default: [] },
        dash: { type: 'string', default: 'manifest.mpd' },
        duration: { type: 'string' },
        'frame-rate': { type: 'string' },
        frames: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
        hls: { type: 'string', default: 'master.m3u8' },
        json: { type: 'boolean', default: false },
        player: { type: 'string', default: 'all' },
        rate: { type: 'string', default: '4' },
        rungs: { type: 'boolean', default: false },
        seek: { type: 'boolean', default: false },
        'sprite-map': { type: 'string' },
        through: { type: 'boolean', default: false },
        timeout: { type: 'string', default: '600' },
      },
    });
  } catch (error) {
    throw new Refusal(2, error.message);
  }
  const { values, positionals } = parsed;
  if (values.help) return { help: true };
  if (positionals.length !== 1) throw new Refusal(2, 'give one package folder');
  if (values.player !== 'all' && !Object.hasOwn(PLAYERS, values.player)) {
    const known = [...Object.keys(PLAYERS), 'all'].join(', ');
    throw new Refusal(2, `--player ${values.player}: not one of ${known}`);
  }
  const rate = positive(values.rate, 'rate');
  if (rate < 0.25 || rate > 16) throw new Refusal(2, `--rate ${values.rate}: not in 0.25 to 16`);
  return {
    folder: positionals[0],
    chromium: values.chromium,
    players: values.player === 'all' ? Object.keys(PLAYERS) : [values.player],
    manifests: { hls: values.hls, dash: values.dash },
    json: values.json,
    timeout: positive(values.timeout, 'timeout'),
    session: {
      rate,
      clearKeys: clearKeysOf(values['clear-key']),
      spriteMap: values['sprite-map'] ?? null,
      rungs: values.rungs,
      seek: values.seek,
      through: values.through,
      duration: positive(values.duration, 'duration'),
      frames: positive(values.frames, 'frames'),
      frameRate: positive(values['frame-rate'], 'frame-rate'),
    },
  };
}

/** What was asked for took longer than it may: where a machine is busy, that may be its fault. */
class Late extends Error {}

const tookLonger = (what, seconds) => () => new Late(`${what} took more than ${seconds} s`);

/**
 * Every rung has files of its own, or the player never really played them all. A rung may be there
 * once for each group of audio, with the same playlist.
 */
function sameFiles(through) {
  const problems = [];
  for (const [index, rung] of through.entries()) {
    const files = JSON.stringify(rung.files);
    const twin = through
      .slice(0, index)
      .find((other) => other.id !== rung.id && JSON.stringify(other.files) === files);
    if (twin) problems.push(`${rung.id} alone: read the same files as ${twin.id}`);
  }
  return problems;
}

/**
 * {@link playOnce}, again where the browser was lost: that says nothing of the package, unless it
 * happens each time.
 */
async function playWith(name, folder, executable, options, live) {
  const began = performance.now();
  const warnings = [];
  let run;
  for (let tried = 1; run === undefined; tried += 1) {
    try {
      run = await playOnce(name, folder, executable, options, live, warnings);
    } catch (error) {
      if (!(error instanceof BrowserLost)) throw error;
      if (tried === BROWSERS) {
        const problems = [error.message];
        run = { player: name, ok: false, unfinished: 'lost', errors: [], problems, warnings };
      } else {
        warnings.push({ source: 'browser', message: error.message });
      }
    }
  }
  return { ...run, total_seconds: (performance.now() - began) / 1000 };
}

/** One player, one browser, one fresh profile: everything asked for, as one object. */
async function playOnce(name, folder, executable, options, live, warnings) {
  const { page, manifest } = PLAYERS[name];
  const errors = [];
  const problems = [];
  let browser = null;
  const note = (error) => {
    errors.push(error);
    // One fault settles it; what follows would only be retries.
    browser?.evaluate('window.session?.stop()').catch(() => {});
  };
  const server = await serve(
    { '/package/': folder, '/pages/': join(HERE, 'pages'), '/lib/': join(HERE, 'node_modules') },
    '/package/',
    (message) => note({ source: 'http', fatal: true, message }),
  );
  let unfinished = null;
  let seen = {};
  try {
    browser = await launch(executable, note, (warning) => warnings.push(warning));
    live.add(browser);
    const url = `${server.origin}/package/${encodeURI(options.manifests[manifest])}`;
    const ready = `new Promise((resolve) => {
      const look = () => (window.session ? resolve() : setTimeout(look, 20));
      look();
    })`;
    const run = async () => {
      await browser.navigate(`${server.origin}/pages/${page}.html`);
      await within(browser.evaluate(ready), START_SECONDS, tookLonger('loading the player', START_SECONDS));
      const values = [url, options.session].map((value) => JSON.stringify(value));
      await browser.evaluate(`window.session.run(${values.join(', ')})`);
    };
    const lost = browser.lost.then((reason) => Promise.reject(new BrowserLost(reason)));
    try {
      await within(Promise.race([run(), lost]), options.timeout, tookLonger('playing', options.timeout));
    } catch (error) {
      if (error instanceof BrowserLost) throw error;
      if (error instanceof Late) unfinished = 'late';
      problems.push(error.message);
    }
    const asked = '({ ...window.session.record, result: window.session.result })';
    const answer = Promise.race([browser.evaluate(asked), lost]).catch((error) => {
      if (error instanceof BrowserLost) throw error;
      return {};
    });
    const silent = () => new BrowserLost(`the page did not answer within ${ANSWER_SECONDS} s`);
    seen = await within(answer, ANSWER_SECONDS, silent);
  } finally {
    if (browser !== null) {
      await browser.close();
      live.delete(browser);
    }
    await server.close();
  }
  errors.push(...(seen.errors ?? []));
  warnings.push(...(seen.warnings ?? []));
  problems.push(...(seen.problems ?? []), ...sameFiles(seen.result?.through ?? []));
  // What was found until then is a fault of the package all the same.
  if (errors.length > 0 || problems.length > 1) unfinished = null;
  return {
    player: name,
    manifest: options.manifests[manifest],
    browser: browser.version,
    ok: errors.length === 0 && problems.length === 0 && seen.result?.playback?.ended === true,
    unfinished,
    errors,
    problems,
    warnings,
    ...seen.result,
  };
}

function describe(run) {
  const version = run.player_version ? ` ${run.player_version}` : '';
  const lines = [`${run.ok ? 'ok  ' : 'FAIL'} ${run.player}${version}, ${run.manifest}`];
  const { playback, expected } = run;
  if (playback && expected) {
    const { decoded, dropped } = playback.frames;
    lines.push(
      `     ended at ${playback.current_time} s of ${expected.duration} s, rate ` +
        `${playback.playback_rate}: ${decoded} frames decoded, ${dropped} of them not shown`,
    );
  }
  const rungs = (run.variants ?? []).map((variant) => `${variant.width}x${variant.height}`);
  if (rungs.length > 0) lines.push(`     rungs ${rungs.join(' ')}`);
  for (const key of ['rungs', 'seeks', 'through', 'pictures', 'sprites']) {
    if (run[key]) lines.push(`     ${key}: ${run[key].length} done`);
  }
  const told = (kind) => ({ source, message }) => `     ${kind} (${source}): ${message}`;
  lines.push(...run.problems.map((text) => `     problem: ${text}`));
  lines.push(...run.errors.map(told('error')), ...run.warnings.map(told('warning')));
  return lines.join('\n');
}

async function main(argv) {
  const options = readArguments(argv);
  if (options.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const info = await stat(options.folder).catch(() => null);
  if (info === null || !info.isDirectory()) {
    throw new Refusal(2, `${options.folder}: not a folder`);
  }
  const libraries = ['hls.js', 'dashjs', 'shaka-player'];
  if (!libraries.every((library) => existsSync(join(HERE, 'node_modules', library)))) {
    throw new Refusal(3, `the players are not installed: run "npm ci" in ${HERE}`);
  }
  const executable = await findChromium(options.chromium);
  if (executable === null) {
    throw new Refusal(3, 'no Chromium found: install one, or name it with --chromium');
  }
  const folder = await realpath(options.folder);

  const live = new Set();
  for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]]) {
    process.once(signal, () => {
      for (const browser of live) browser.kill();
      process.exit(code);
    });
  }
  const runs = [];
  for (const name of options.players) {
    process.stderr.write(`playing ${folder} with ${name}\n`);
    runs.push(await playWith(name, folder, executable, options, live));
  }
  const ok = runs.every((run) => run.ok);
  process.stdout.write(
    options.json
      ? `${JSON.stringify({ schema: 'encoder.playback/1', package: folder, ok, runs }, null, 2)}\n`
      : `${runs.map(describe).join('\n')}\n`,
  );
  return ok ? 0 : 1;
}

/** Ends once all is written, whatever a browser has left open. */
function end(code) {
  process.stdout.write('', () => process.stderr.write('', () => process.exit(code)));
}

try {
  end(await main(process.argv.slice(2)));
} catch (error) {
  process.stderr.write(`play.mjs: ${error.message}\n`);
  if (error.exitCode === 2) process.stderr.write('See node play.mjs --help.\n');
  end(error.exitCode ?? 3);
}
