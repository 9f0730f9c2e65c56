/* Shaka Player behind the interface that session.mjs describes. */

import { playlistName } from './manifest.mjs';

shaka.polyfill.installAll();

export const version = shaka.Player.version;

function nameOf(list, code) {
  return Object.keys(list).find((name) => list[name] === code) ?? String(code);
}

function describe(error) {
  const category = nameOf(shaka.util.Error.Category, error.category);
  return `${category} ${nameOf(shaka.util.Error.Code, error.code)}: ${JSON.stringify(error.data)}`;
}

export async function open(video, url, { family, pin, read, clearKeys, onError }) {
  const player = new shaka.Player();
  const report = (error) =>
    onError({
      source: 'player',
      fatal: error.severity === shaka.util.Error.Severity.CRITICAL,
      message: error.code === undefined ? String(error) : describe(error),
    });
  player.addEventListener('error', (event) => report(event.detail));
  await player.attach(video);
  player.configure('drm.clearKeys', clearKeys);
  if (family) player.configure('preferredVideo', [{ codec: family }]);
  if (pin !== undefined) {
    const { bandwidth } = pin;
    player.configure('restrictions', { minBandwidth: bandwidth, maxBandwidth: bandwidth });
  }
  if (read) player.configure('preferredText', [{ language: read }]);
  await player.load(url).catch(report);

  // What the video is called in its manifest: a representation's id or a playlist's name.
  const rungOf = ({ originalVideoId }) =>
    url.endsWith('.mpd') ? originalVideoId : playlistName(originalVideoId, url);
  const active = () => player.getVariantTracks().find((track) => track.active);
  const rungs = () => {
    const found = new Map();
    for (const track of player.getVariantTracks()) {
      if (track.height !== null && !found.has(rungOf(track))) found.set(rungOf(track), track);
    }
    return [...found.entries()];
  };
  return {
    variants: () =>
      rungs().map(([id, track]) => ({
        id,
        width: track.width,
        height: track.height,
        bandwidth: track.bandwidth,
        codecs: track.codecs,
        frame_rate: track.frameRate,
      })),
    audioTracks: () =>
      player.getAudioTracks().map((track) => ({
        language: track.language ?? null,
        label: track.label ?? null,
        codecs: track.codecs ?? null,
        channels: track.channelsCount ?? null,
      })),
    active: () => (active() === undefined ? null : rungOf(active())),
    select: (id) => {
      player.configure('abr.enabled', false);
      const language = active()?.language;
      const tracks = player.getVariantTracks().filter((track) => rungOf(track) === id);
      const track = tracks.find((one) => one.language === language) ?? tracks[0];
      player.selectVariantTrack(track, true, 0);
    },
    thumbnail: async (time) => {
      const [{ id }] = player.getImageTracks();
      const found = await player.getThumbnails(id, time);
      if (found === null) return null;
      const { uris, positionX, positionY, width, height } = found;
      return { url: uris[0], x: positionX, y: positionY, width, height };
    },
    close: () => player.destroy(),
  };
}
