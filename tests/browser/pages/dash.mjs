/* dash.js behind the interface that session.mjs describes. */

import { base64Url } from './keys.mjs';

const { MediaPlayer } = dashjs;

export const version = MediaPlayer().create().getVersion();

export async function open(video, url, { family, pin, read, clearKeys, onError }) {
  const player = MediaPlayer().create();
  const events = MediaPlayer.events;
  player.on(events.ERROR, ({ error }) => {
    const message = `${error?.code ?? ''}: ${error?.message ?? error}`;
    onError({ source: 'player', fatal: true, message });
  });
  player.registerCustomCapabilitiesFilter(({ id, codecs, height, mimeType }) => {
    if (!(height > 0 || mimeType?.startsWith('video'))) return true;
    if (family && !codecs?.startsWith(family)) return false;
    return pin === undefined || id === pin.id;
  });
  const ready = new Promise((resolve) => player.on(events.STREAM_INITIALIZED, resolve));
  if (Object.keys(clearKeys).length > 0) {
    const clearkeys = Object.fromEntries(
      Object.entries(clearKeys).map((pair) => pair.map(base64Url)),
    );
    player.setProtectionData({ 'org.w3.clearkey': { clearkeys } });
  }
  player.initialize(video, url, false);
  await ready;
  if (read) player.setTextTrack(0);

  const videoTracks = () => player.getTracksFor('video');
  const codecsOf = (track) => track.codec?.replace(/^.*codecs="(.*)"$/, '$1') ?? null;
  return {
    variants: () =>
      videoTracks().flatMap((track) =>
        track.bitrateList.map((rate) => ({
          id: rate.id,
          width: rate.width,
          height: rate.height,
          bandwidth: rate.bandwidth,
          codecs: codecsOf(track),
          frame_rate: null,
        })),
      ),
    audioTracks: () =>
      player.getTracksFor('audio').map((track) => ({
        language: track.lang ?? null,
        label: track.labels?.[0]?.text ?? null,
        codecs: codecsOf(track),
        channels: Number(track.audioChannelConfiguration?.[0]?.value) || null,
      })),
    active: () => player.getCurrentRepresentationForType('video')?.id ?? null,
    select: (id) => {
      // Between adaptation sets, dash.js would otherwise keep what is buffered.
      player.updateSettings({
        streaming: {
          abr: { autoSwitchBitrate: { video: false } },
          trackSwitchMode: { video: 'alwaysReplace' },
        },
      });
      const track = videoTracks().find((one) => one.bitrateList.some((rate) => rate.id === id));
      const current = player.getCurrentTrackFor('video');
      if (track.index !== current.index) player.setCurrentTrack(track);
      player.setRepresentationForTypeById('video', id, true);
    },
    thumbnail: (time) => new Promise((resolve) => player.provideThumbnail(time, resolve)),
    close: () => player.destroy(),
  };
}
