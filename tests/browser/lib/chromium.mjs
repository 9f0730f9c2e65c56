/**
 * One headless Chromium with an empty profile, driven by the DevTools protocol over a pipe.
 *
 * The pipe (file descriptors 3 and 4, messages ended by a zero byte) needs no port and no library,
 * and the browser ends by itself when this process does.
 */

import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { access, constants, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--no-default-browser-check',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-default-apps',
  '--disable-sync',
  '--autoplay-policy=no-user-gesture-required',
  '--mute-audio',
  // A container's shared memory may be small, and a browser that runs out of it ends or hangs.
  '--disable-dev-shm-usage',
  // What outlives the browser would keep its pipes open.
  '--disable-breakpad',
  '--disable-crash-reporter',
  // Timers of a page nobody looks at would otherwise be slowed down.
  '--disable-background-timer-throttling',
  '--disable-backgrounding-occluded-windows',
  '--disable-renderer-backgrounding',
  // A package is complete in itself: whatever asks for another host must fail visibly.
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
  '--remote-debugging-pipe',
];

/** Patience, in seconds, for a browser to start, to answer a command of its own, and to end. */
const START_SECONDS = 60;
const ANSWER_SECONDS = 60;
const END_SECONDS = 5;

/** How many browsers are started before none is expected to. */
const START_TRIES = 3;

/** Helper processes may still write while they are being ended. */
const REMOVE = { force: true, maxRetries: 10, recursive: true, retryDelay: 100 };

/** The Chromium to use: `chosen`, ENCODER_CHROMIUM, or the first on PATH; null without one. */
export async function findChromium(chosen) {
  const named = chosen ?? process.env.ENCODER_CHROMIUM;
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  const candidates = named
    ? [named]
    : NAMES.flatMap((name) => folders.map((folder) => join(folder, name)));
  for (const path of candidates) {
    const usable = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (usable) return path;
  }
  return null;
}

/** The browser is gone, or does not answer: what says nothing of what it was showing. */
export class BrowserLost extends Error {}

/** `promise`, or the rejection that `late` makes after `seconds`. */
export async function within(promise, seconds, late) {
  let timer;
  const end = new Promise((_, reject) => {
    timer = setTimeout(() => reject(late()), seconds * 1000);
  });
  try {
    return await Promise.race([promise, end]);
  } finally {
    clearTimeout(timer);
  }
}

/** Numbered commands out, answers and events in, over the two ends of the pipe. */
class Connection {
  #writer;
  #pending = new Map();
  #listeners = [];
  #rest = Buffer.alloc(0);
  #next = 1;
  #closed = null;

  constructor(writer, reader) {
    this.#writer = writer;
    reader.on('data', (data) => this.#receive(data));
    for (const end of [reader, writer]) {
      end.on('error', (error) => this.close(error.message));
      end.on('close', () => this.close('Chromium closed the connection'));
    }
  }

  /** Call `listener(method, params)` for every event. */
  onEvent(listener) {
    this.#listeners.push(listener);
  }

  /** The answer to a command; one that comes after `seconds` is not waited for. */
  send(method, params = {}, sessionId = undefined, seconds = ANSWER_SECONDS) {
    if (this.#closed !== null) return Promise.reject(new BrowserLost(this.#closed));
    const id = this.#next++;
    const answer = new Promise((resolve, reject) => {
      this.#pending.set(id, { method, resolve, reject });
      this.#writer.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
    if (seconds === null) return answer;
    return within(
      answer,
      seconds,
      () => new BrowserLost(`${method}: Chromium did not answer within ${seconds} s`),
    ).finally(() => this.#pending.delete(id));
  }

  close(reason) {
    if (this.#closed !== null) return;
    this.#closed = reason;
    for (const { method, reject } of this.#pending.values()) {
      reject(new BrowserLost(`${method}: ${reason}`));
    }
    this.#pending.clear();
  }

  #receive(data) {
    this.#rest = Buffer.concat([this.#rest, data]);
    for (let end = this.#rest.indexOf(0); end >= 0; end = this.#rest.indexOf(0)) {
      const message = JSON.parse(this.#rest.subarray(0, end).toString('utf8'));
      this.#rest = this.#rest.subarray(end + 1);
      const waiting = this.#pending.get(message.id);
      if (waiting === undefined) {
        for (const listener of this.#listeners) listener(message.method, message.params ?? {});
        continue;
      }
      this.#pending.delete(message.id);
      if (message.error) waiting.reject(new Error(`${waiting.method}: ${message.error.message}`));
      else waiting.resolve(message.result);
    }
  }
}

/** Text of what a page gave to console.error and friends. */
function consoleText(args) {
  return args.map((arg) => arg.description ?? String(arg.value ?? arg.type)).join(' ');
}

/** {@link start}, again with a fresh profile where the browser does not come up. */
export async function launch(executable, onError, onWarning) {
  for (let tried = 1; ; tried += 1) {
    try {
      return await start(executable, onError, onWarning);
    } catch (error) {
      if (tried === START_TRIES) throw error;
      onWarning({ source: 'browser', message: error.message });
    }
  }
}

/**
 * Start Chromium and open one empty page.
 *
 * @param {string} executable its path.
 * @param {function({source: string, fatal: boolean, message: string}): void} onError called for
 *   console errors, uncaught exceptions and failed loads.
 * @param {function({source: string, message: string}): void} onWarning for console warnings.
 * @returns {Promise<{version: string, navigate: function, evaluate: function,
 *   screenshot: function(): Promise<Buffer>,
 *   lost: Promise<string>, close: function, kill: function}>} `evaluate(expression)` awaits the expression's value; `lost`
 *   resolves with the reason when the page can no longer answer; `kill()` is `close()` in a hurry,
 *   for a process that is about to exit. Nothing here waits forever but `evaluate`.
 */
async function start(executable, onError, onWarning) {
  const profile = await mkdtemp(join(tmpdir(), 'encoder-browser-'));
  const child = spawn(executable, [...FLAGS, `--user-data-dir=${profile}`, 'about:blank'], {
    // Its own process group, so that the whole family can be ended at once.
    detached: true,
    env: { ...process.env, XDG_CACHE_HOME: profile, XDG_CONFIG_HOME: profile },
    stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'],
  });
  let tail = '';
  child.stderr.on('data', (data) => {
    tail = (tail + data).slice(-2000);
  });
  const exited = new Promise((resolve) => {
    child.once('exit', resolve);
    child.once('error', (error) => {
      tail += error.message;
      resolve();
    });
  });

  let lose;
  const lost = new Promise((resolve) => {
    lose = resolve;
  });
  const killGroup = () => {
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // Already gone.
    }
  };
  const connection = new Connection(child.stdio[3], child.stdio[4]);
  exited.then(() => {
    connection.close('Chromium is gone');
    lose('Chromium ended by itself');
  });
  const close = async () => {
    const asked = connection.send('Browser.close', {}, undefined, END_SECONDS).catch(() => {});
    await Promise.race([asked, exited]);
    const gone = () => within(exited, END_SECONDS, () => new BrowserLost('it does not end'));
    await gone().catch(() => {});
    killGroup();
    await gone().catch(() => {});
    for (const end of child.stdio) end?.destroy();
    await rm(profile, REMOVE).catch(() => {});
  };
  const kill = () => {
    killGroup();
    rmSync(profile, REMOVE);
  };

  connection.onEvent((method, params) => {
    if (method === 'Runtime.exceptionThrown') {
      const { exception, text } = params.exceptionDetails;
      onError({ source: 'page', fatal: true, message: exception?.description ?? text });
    } else if (method === 'Runtime.consoleAPICalled') {
      const message = consoleText(params.args);
      if (params.type === 'error' || params.type === 'assert') {
        onError({ source: 'console', fatal: false, message });
      } else if (params.type === 'warning') {
        onWarning({ source: 'console', message });
      }
    } else if (method === 'Log.entryAdded' && params.entry.level === 'error') {
      const { text, url } = params.entry;
      onError({ source: 'browser', fatal: false, message: url ? `${text} (${url})` : text });
    } else if (method === 'Inspector.targetCrashed') {
      lose('the page crashed');
    }
  });

  try {
    const version = await connection.send('Browser.getVersion', {}, undefined, START_SECONDS);
    const { targetInfos } = await connection.send('Target.getTargets');
    const existing = targetInfos.find((target) => target.type === 'page');
    const { targetId } =
      existing ?? (await connection.send('Target.createTarget', { url: 'about:blank' }));
    const { sessionId } = await connection.send('Target.attachToTarget', {
      targetId,
      flatten: true,
    });
    const send = (method, params, seconds) => connection.send(method, params, sessionId, seconds);
    for (const domain of ['Page', 'Runtime', 'Log', 'Inspector']) await send(`${domain}.enable`);
    const evaluate = async (expression) => {
      // As long as it takes: what is waited for may be a whole film.
      const asked = { expression, awaitPromise: true, returnByValue: true };
      const { result, exceptionDetails } = await send('Runtime.evaluate', asked, null);
      if (exceptionDetails) {
        throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
      }
      return result.value;
    };
    return {
      version: version.product,
      navigate: (url) => send('Page.navigate', { url }),
      evaluate,
      screenshot: async () =>
        Buffer.from((await send('Page.captureScreenshot', { format: 'png' })).data, 'base64'),
      lost,
      close,
      kill,
    };
  } catch (error) {
    killGroup();
    await close();
    throw new BrowserLost(`Chromium did not start: ${error.message}. It said: ${tail.trim()}`);
  }
}
