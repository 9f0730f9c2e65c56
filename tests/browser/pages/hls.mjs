/* hls.js behind the interface that session.mjs describes. */

import { licence, urlSafe } from './keys.mjs';
import { playlistName } from './manifest.mjs';

export const version = Hls.version;

// What hls.js tells of a slow machine, a full buffer or loads it cancelled itself; the package is
// not at fault, and playback goes on. Anything else counts against the package, fatal or not.
const HARMLESS = new Set([
  'aborted',
  'audioTrackLoadTimeOut',
  'bufferFullError',
  // Switched to another group of audio, the same video is appended again.
  'bufferAppendNoProgress',
  'bufferNudgeOnStall',
  'bufferStalledError',
  'fragLoadTimeOut',
  'levelLoadTimeOut',
  'manifestLoadTimeOut',
]);

/** What has hls.js take the keys from here: their server is an address that holds them. */
function protection(clearKeys) {
  if (Object.keys(clearKeys).length === 0) return {};
  const licenseUrl = `data:application/json;base64,${btoa(licence(clearKeys))}`;
  return { emeEnabled: true, drmSystems: { 'org.w3.clearkey': { licenseUrl } } };
}

export async function open(video, url, { pin, read, clearKeys, onError, onWarning }) {
  const hls = new Hls({ autoStartLoad: false, ...protection(clearKeys) });
  hls.on(Hls.Events.ERROR, (_, data) => {
    const reason = data.error?.message ?? data.reason ?? '';
    const where = data.frag?.url ?? data.url ?? '';
    const message = [data.details, reason, where].filter(Boolean).join(': ');
    if (HARMLESS.has(data.details) && !data.fatal) onWarning({ source: 'player', message });
    else onError({ source: 'player', fatal: data.fatal, message });
  });
  // Audio that is apart from the video is switched to even at the start. Until that is over, which
  // hls.js notices only while the element does not seek, it moves a seek to the first milliseconds
  // onward, and does not say that the stream has ended. Chromium waits for that after a seek to
  // the last fifth of a second, where there is less audio than it wants: neither would move again.
  let switching = false;
  hls.on(Hls.Events.AUDIO_TRACK_SWITCHING, () => {
    switching = true;
  });
  hls.on(Hls.Events.AUDIO_TRACK_SWITCHED, () => {
    switching = false;
  });
  // Behind segments that are clear, hls.js has nothing to ask for ClearKey's keys with: it takes that
  // from what the browser tells of the initialisation, when it knows no key yet.
  hls.on(Hls.Events.KEY_LOADING, (_, { frag }) => {
    const key = frag.levelkeys?.['org.w3.clearkey'];
    if (key === undefined || key.pssh) return;
    key.scheme = 'keyids';
    key.pssh = new TextEncoder().encode(JSON.stringify({ kids: [urlSafe(key.uri.split(',')[1])] }));
  });
  const parsed = new Promise((resolve) => hls.once(Hls.Events.MANIFEST_PARSED, resolve));
  hls.loadSource(url);
  hls.attachMedia(video);
  await parsed;

  const nameOf = (level) => playlistName(level.uri, url);
  const indexOf = (id) => hls.levels.findIndex((level) => nameOf(level) === id);
  if (pin !== undefined) hls.loadLevel = indexOf(pin.id);
  hls.startLoad(0);
  if (read) hls.subtitleTrack = 0;
  return {
    variants: () =>
      hls.levels.map((level) => ({
        id: nameOf(level),
        width: level.width,
        height: level.height,
        bandwidth: level.bitrate,
        codecs: [level.videoCodec, level.audioCodec].filter(Boolean).join(','),
        frame_rate: level.frameRate || null,
      })),
    audioTracks: () =>
      hls.audioTracks.map((track) => ({
        language: track.lang ?? null,
        label: track.name ?? null,
        codecs: track.audioCodec ?? null,
        channels: track.channels === undefined ? null : Number.parseInt(track.channels, 10),
      })),
    active: () => (hls.currentLevel < 0 ? null : nameOf(hls.levels[hls.currentLevel])),
    select: (id) => {
      hls.currentLevel = indexOf(id);
    },
    settled: () => !switching,
    close: () => hls.destroy(),
  };
}
