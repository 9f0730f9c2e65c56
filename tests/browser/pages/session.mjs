/**
 * What is done with every player, and what is looked at while it plays.
 *
 * A player comes as an adapter: `version`, and
 * `open(video, url, {family, pin, read, clearKeys, onError, onWarning})`, which resolves when the
 * renditions are known, to
 *
 * - `variants()`: [{id, width, height, bandwidth, codecs, frame_rate}], one per video rendition,
 *   `id` being the name the manifest gives it,
 * - `audioTracks()`: [{language, label, codecs, channels}],
 * - `active()`: the id of the rendition that plays, or null,
 * - `select(id)`: switch now, throwing away what is buffered, and stay there,
 * - `settled()`: false while a seek would upset the player; left out where none ever does,
 * - `thumbnail(time)`: the small picture of a moment, see pictures.mjs; left out by players that
 *   know none,
 * - `close()`.
 *
 * `family` is the only video codec ("avc1") that may be used, where the player would choose one
 * itself; `read` the language of the subtitles that are shown from the start on, in a text track of
 * the element: chosen once all of the video is there, Shaka Player never shows them; `clearKeys` the
 * keys of a protected package by their identifiers, both hexadecimal;
 * `pin` the only variant (one of `variants()`) from the first byte on. Times are seconds, as in the
 * media element.
 */

import { readManifest } from './manifest.mjs';
import { lookAtPictures, spriteMap } from './pictures.mjs';

// Patience, in seconds. Generous: a loaded machine is slow, and nothing is judged by its speed.
const START_SECONDS = 60;
const STALL_SECONDS = 30;
const SWITCH_SECONDS = 60;
const SEEK_SECONDS = 20;
const TEXT_SECONDS = 5;

/** How often the same place is sought before its frame counts as missing. */
const SEEK_TRIES = 3;

/** Fallback when neither the caller nor the manifest says how long a frame is. */
const DEFAULT_FRAME_RATE = 24;

/** Which part of the frames must be decoded when only the duration says how many there are. */
const DECODED_PART = 0.9;

/** How long each rung is watched after a switch. */
const RUNG_SECONDS = 1;

/** Where to seek to, as parts of the duration: forward, back to the start, near the end, back. */
const SEEK_POSITIONS = [0.6, 0, 0.9, 0.3];

/** The run was stopped because an error is on record already; says nothing new. */
class Stopped extends Error {}

/** "avc1" of "avc1.64001f,mp4a.40.2". */
const familyOf = ({ codecs }) => (codecs ?? '').split(/[.,]/)[0];

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

export function install(adapter) {
  const record = { errors: [], warnings: [], problems: [] };
  let stopped = false;
  let clearKeys = {};
  const presented = new WeakMap();

  const stop = () => {
    stopped = true;
  };
  const onError = (error) => {
    record.errors.push(error);
    stop();
  };
  const onWarning = (warning) => record.warnings.push(warning);
  const problem = (text) => record.problems.push(text);

  /** Wait for `condition()`, giving up `seconds` after `progress()` last changed. */
  async function until(condition, what, seconds, progress = () => 0) {
    let last = progress();
    let since = performance.now();
    while (!condition()) {
      if (stopped) throw new Stopped();
      await sleep(20);
      if (progress() !== last) {
        last = progress();
        since = performance.now();
      } else if (performance.now() - since > seconds * 1000) {
        const missed = typeof what === 'function' ? what() : what;
        throw new Error(`${missed} did not happen within ${seconds} s`);
      }
    }
    if (stopped) throw new Stopped();
  }

  /** Media time of the picture that the element shows now, null while it has none. */
  function shownTime(video) {
    // Pictures of protected media are not given away; the last one that was presented is told.
    if (video.mediaKeys !== null) return presented.get(video) ?? null;
    try {
      const picture = new VideoFrame(video);
      const time = picture.timestamp / 1e6;
      picture.close();
      return time;
    } catch (error) {
      // Also for a moment after the element says that it has one.
      if (error.name === 'InvalidStateError') return null;
      throw error;
    }
  }

  /** What the element is about, for the message about something that did not happen. */
  function stateOf(video) {
    const ranges = Array.from({ length: video.buffered.length }, (_, index) =>
      [video.buffered.start(index), video.buffered.end(index)].join('-'),
    );
    const { currentTime, seeking, readyState } = video;
    return (
      `shows ${shownTime(video)} s, is at ${currentTime} s, seeking ${seeking}, ` +
      `readyState ${readyState}, buffered ${ranges.join(' ')}`
    );
  }

  /** Keep the rate: some players set it back to 1 after buffering, and to 0 while they buffer. */
  function hold(video, rate) {
    if (video.playbackRate !== rate && video.playbackRate !== 0) video.playbackRate = rate;
  }

  /** A fresh media element and player; `watch` has what its frames told. */
  async function openTake(url, limits) {
    const video = document.createElement('video');
    video.muted = true;
    video.playsInline = true;
    document.body.replaceChildren(video);
    const watch = { presented: 0, first: null, last: null };
    const onFrame = (_, { mediaTime }) => {
      watch.presented += 1;
      watch.last = mediaTime;
      presented.set(video, mediaTime);
      video.requestVideoFrameCallback(onFrame);
    };
    video.requestVideoFrameCallback(onFrame);
    const onMediaError = () => {
      const { code, message } = video.error;
      onError({ source: 'media', fatal: true, message: `MediaError ${code}: ${message}` });
    };
    video.addEventListener('error', onMediaError);
    let player = null;
    const opening = adapter.open(video, url, { ...limits, clearKeys, onError, onWarning }).then(
      (opened) => {
        player = opened;
      },
      (error) => onError({ source: 'player', fatal: true, message: String(error) }),
    );
    await until(() => player !== null, 'reading the manifest', START_SECONDS);
    await opening;
    const ready = () => {
      watch.first = video.readyState < 2 || video.seeking ? null : shownTime(video);
      return watch.first !== null;
    };
    await until(ready, () => `the first frame (${stateOf(video)})`, START_SECONDS);
    const close = async () => {
      video.removeEventListener('error', onMediaError);
      await player.close();
      video.remove();
    };
    return { video, player, watch, close };
  }

  async function withTake(url, limits, work) {
    const take = await openTake(url, limits);
    try {
      return await work(take);
    } finally {
      // A player that already failed may fail at leaving too; the first failure is the story.
      if (stopped) await take.close().catch(() => {});
      else await take.close();
    }
  }

  /** Play to the end, and say what was seen. */
  async function playToEnd({ video, watch }, rate) {
    const began = performance.now();
    video.playbackRate = rate;
    await video.play();
    const ended = () => {
      hold(video, rate);
      return video.ended;
    };
    await until(
      ended,
      () => `the end (stopped at ${video.currentTime} s)`,
      STALL_SECONDS,
      () => video.currentTime,
    );
    const quality = video.getVideoPlaybackQuality();
    return {
      ended: video.ended,
      playback_rate: rate,
      current_time: video.currentTime,
      duration: video.duration,
      width: video.videoWidth,
      height: video.videoHeight,
      frames: {
        decoded: quality.totalVideoFrames,
        dropped: quality.droppedVideoFrames,
        presented: watch.presented,
        first_time: watch.first,
        last_time: watch.last,
      },
      audio_bytes_decoded: video.webkitAudioDecodedByteCount ?? null,
      wall_seconds: (performance.now() - began) / 1000,
    };
  }

  const near = (a, b) => Math.abs(a - b) <= 1;

  /** While it plays, switch to every rung in turn and watch each for a second. */
  async function switchRungs({ video, player }, wanted, rate) {
    const results = [];
    const restart = () => {
      video.currentTime = 0;
      video.play().catch(() => {});
    };
    // A player may keep what is being shown until its segment ends, or until the programme does.
    video.addEventListener('ended', restart);
    await video.play();
    // From the bottom to the top, and back down to where it began.
    for (const rung of [...wanted, wanted[0]]) {
      if (video.currentTime > video.duration / 2) restart();
      player.select(rung.id);
      hold(video, rate);
      const arrived = () =>
        player.active() === rung.id &&
        near(video.videoWidth, rung.width) &&
        near(video.videoHeight, rung.height);
      await until(arrived, `switching to ${rung.id}`, SWITCH_SECONDS);
      let watched = 0;
      let last = video.currentTime;
      const enough = () => {
        hold(video, 1);
        watched += Math.max(0, video.currentTime - last);
        last = video.currentTime;
        return watched >= RUNG_SECONDS;
      };
      const onward = `playing on after the switch to ${rung.id}`;
      await until(enough, onward, SWITCH_SECONDS, () => video.currentTime);
      results.push({
        id: rung.id,
        width: video.videoWidth,
        height: video.videoHeight,
        ok: arrived(),
      });
      if (!arrived()) problem(`${rung.id}: the player left the rung it was told to stay on`);
    }
    video.removeEventListener('ended', restart);
    return results;
  }

  /** Seek around while paused; the frame shown must be the one that covers the target. */
  async function seekAround({ video, player }, frame) {
    const results = [];
    const settled = player.settled ?? (() => true);
    for (const position of SEEK_POSITIONS) {
      await until(settled, 'the end of the start', START_SECONDS);
      // The middle of a frame, where rounding cannot decide which one is meant.
      const start = Math.floor((position * video.duration) / frame) * frame;
      const target = start + frame / 2;
      // The old picture may stay a while after the seek is over, so the right one is waited for.
      const right = () => {
        const shown = video.seeking ? null : shownTime(video);
        return shown !== null && Math.abs(shown - start) <= frame + 1e-6;
      };
      const missed = () => `the frame of ${target} s after a seek (${stateOf(video)})`;
      // A player that fills its buffer anew while the browser seeks in it leaves the picture of a
      // later key frame, now and then, and a paused element stays there. A viewer would seek
      // again, and gets the frame unless the package lacks it, which no number of seeks mends.
      for (let left = SEEK_TRIES - 1; ; left -= 1) {
        video.currentTime = target;
        try {
          await until(right, missed, SEEK_SECONDS);
          break;
        } catch (error) {
          if (left === 0 || error instanceof Stopped) throw error;
          onWarning({ source: 'session', message: `sought again: ${error.message}` });
        }
      }
      results.push({ target, frame_time: shownTime(video) });
    }
    video.playbackRate = 1;
    await video.play();
    const from = video.currentTime;
    const onward = () => video.currentTime > from + 0.5 || video.ended;
    await until(onward, 'playing on after seeking', STALL_SECONDS, () => video.currentTime);
    return results;
  }

  /** Files of the package that were asked for since the last call. */
  function filesFetched(url) {
    const base = new URL('.', url).href;
    const names = performance
      .getEntriesByType('resource')
      .map((entry) => decodeURI(entry.name))
      .filter((name) => name.startsWith(base) && !/\.(m3u8|mpd)$/.test(name));
    performance.clearResourceTimings();
    return [...new Set(names.map((name) => name.slice(base.length)))].sort();
  }

  /** The texts of all cues that the player has handed over; it may lag behind the picture. */
  async function cuesOf(video) {
    const texts = () =>
      [...video.textTracks].flatMap((track) => [...(track.cues ?? [])].map(({ text }) => text));
    const since = performance.now();
    while (texts().length === 0 && performance.now() - since < TEXT_SECONDS * 1000) await sleep(20);
    return [...new Set(texts())].sort();
  }

  function judgePlayback(what, played, expected) {
    const { duration, frame, frames, leastFrames, audio } = expected;
    // A frame of tolerance, and a microsecond for the rounding of decimal seconds.
    const tolerance = frame + 1e-6;
    const within = (value) => Math.abs(value - duration) <= tolerance;
    if (!played.ended) problem(`${what}: did not reach the end`);
    if (!within(played.duration)) {
      problem(`${what}: duration ${played.duration} s, expected ${duration} s`);
    }
    if (!within(played.current_time)) {
      problem(`${what}: ended at ${played.current_time} s, expected ${duration} s`);
    }
    if (played.frames.first_time > tolerance) {
      problem(`${what}: it starts with the frame of ${played.frames.first_time} s`);
    }
    if (audio && played.audio_bytes_decoded === 0) problem(`${what}: no audio was decoded`);
    // Chromium counts a frame as decoded even when it is too late to be shown, so this holds at
    // any rate and load. Too many is no fault: a switch may decode a stretch twice.
    if (played.frames.decoded < leastFrames) {
      problem(`${what}: ${played.frames.decoded} frames decoded of ${frames}`);
    }
  }

  function judgeVariants(variants, declared) {
    const seen = new Set(variants.map((variant) => variant.id));
    for (const rung of declared.rungs) {
      if (rung.supported && !seen.has(rung.id)) problem(`${rung.id}: not offered by the player`);
    }
    if (declared.rungs.length > 0 && variants.length === 0) problem('the player offers no variant');
  }

  async function play(url, options, result) {
    const declared = await readManifest(url);
    const frameRate = options.frameRate ?? declared.frameRate;
    const duration = options.duration ?? declared.duration;
    // The longest track may be an audio track, so this may be a few frames more than there are.
    const counted = frameRate === null ? null : Math.round(duration * frameRate);
    const frames = options.frames ?? counted;
    const frame = 1 / (frameRate ?? DEFAULT_FRAME_RATE);
    const leastFrames = options.frames === null ? DECODED_PART * counted : options.frames - 1;
    const expected = { duration, frame, frames, leastFrames, audio: declared.audio };
    result.declared = declared;
    result.expected = { duration, frame_rate: frameRate, frames };
    performance.setResourceTimingBufferSize(1_000_000);

    await withTake(url, { read: declared.text[0] ?? null }, async (take) => {
      result.variants = take.player.variants();
      result.audio_tracks = take.player.audioTracks();
      result.playback = await playToEnd(take, options.rate);
      if (declared.text.length > 0) {
        result.cues = await cuesOf(take.video);
        if (result.cues.length === 0) problem('no subtitle came');
      }
      const { thumbnail } = take.player;
      if (declared.thumbnail !== null && thumbnail !== undefined) {
        const { duration } = take.video;
        result.pictures = await lookAtPictures(thumbnail, duration, declared.thumbnail, problem);
      }
    });
    if (options.spriteMap !== null && declared.thumbnail !== null) {
      const thumbnail = await spriteMap(new URL(options.spriteMap, url).href);
      result.sprites = await lookAtPictures(thumbnail, duration, declared.thumbnail, problem);
    }
    judgePlayback('playback', result.playback, expected);
    if (options.seek) {
      // On one rung, the best: a switch to another may also switch the audio, see `settled()`.
      const pin = [...result.variants].sort((a, b) => a.bandwidth - b.bandwidth).at(-1);
      const limits = { family: familyOf(pin), pin };
      result.seeks = await withTake(url, limits, (take) => seekAround(take, frame));
    }
    // A player may choose one codec for the whole programme; the others must play as well.
    const families = new Set(declared.rungs.filter((rung) => rung.supported).map(familyOf));
    for (const family of options.rungs || families.size > 1 ? families : []) {
      await withTake(url, { family }, async (take) => {
        const rungs = take.player.variants().filter((variant) => familyOf(variant) === family);
        rungs.sort((a, b) => a.bandwidth - b.bandwidth);
        const known = new Set(result.variants.map((variant) => variant.id));
        result.variants.push(...rungs.filter((rung) => !known.has(rung.id)));
        if (options.rungs && rungs.length > 0) {
          const switches = await switchRungs(take, rungs, options.rate);
          result.rungs = [...(result.rungs ?? []), ...switches];
        }
      });
    }
    judgeVariants(result.variants, declared);
    if (options.through) {
      result.through = [];
      for (const rung of result.variants) {
        const limits = { family: familyOf(rung), pin: rung };
        filesFetched(url);
        const played = await withTake(url, limits, (take) => playToEnd(take, options.rate));
        const files = filesFetched(url);
        result.through.push({ id: rung.id, files, ...played });
        judgePlayback(`${rung.id} alone`, played, expected);
        if (!near(played.width, rung.width) || !near(played.height, rung.height)) {
          problem(`${rung.id} alone: ${played.width}x${played.height} came out`);
        }
      }
    }
  }

  window.session = {
    stop,
    /** What is known up to now, also while `run` is under way. */
    record,
    result: {},
    /** Do everything that was asked for; never rejects, since the record is the answer. */
    async run(url, options) {
      clearKeys = options.clearKeys;
      window.session.result.player_version = adapter.version;
      try {
        await play(url, options, window.session.result);
      } catch (error) {
        if (!(error instanceof Stopped)) {
          problem(error instanceof Error ? error.message : String(error));
        }
      }
      // Errors are reported when they are noticed, which may be a moment after the picture is gone.
      await sleep(200);
    },
  };
}
