"""The master's audio in the codecs of the policy, on the video's timeline and as long as it."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import ffmpeg as graph

from encoder.encode.audio_graph import (
    SAMPLE_RATE,
    Measured,
    Track,
    first_sound,
    loudness_log,
    outputs,
    read_loudness,
)
from encoder.encode.downmix import Mix, first_two, mix
from encoder.encode.tracks import identifier, language, main_stream, name, roles
from encoder.errors import EncodeError, MasterError
from encoder.ffmpeg.graph import Stream, arguments
from encoder.ffmpeg.locate import Ffmpeg
from encoder.ffmpeg.process import ProcessFailed, Progress, run
from encoder.media.conform import Conform
from encoder.media.master import AudioStream, Master
from encoder.media.policy import AudioPolicy
from encoder.media.renditions import AudioRendition, Loudness


def encode_audio(
    ffmpeg: Ffmpeg,
    master: Master,
    conform: Conform,
    duration: Fraction,
    policy: AudioPolicy,
    into: Path,
    *,
    he_aac: str | None = None,
    on_progress: Callable[[int], None] | None = None,
    on_warning: Callable[[str], None] | None = None,
) -> tuple[AudioRendition, ...]:
    """Encodes every audio track of the master into MP4 files ``<id>.mp4`` of a folder.

    Each becomes AAC-LC stereo at 48 kHz; one of more channels becomes 5.1 as well if the policy
    keeps surround, in the codecs that it names; all become Opus as well if it wants that, and
    HE-AAC in stereo if it wants that and there is an encoder.

    All start at the time of the video's first frame and end with its last one:
    sound before and after is cut off, and what is missing is silence.

    Loudness is measured of what is encoded, after mixing and before any gain. With a target, each
    rendition gets the one gain that reaches it, or as much of it as the true peak allows. Without,
    levels are left alone, except that a mix of several channels that overshoots full scale is
    turned down to the policy's true peak: BS.775's factors by themselves could only rule that out
    by making everything 7.7 dB quieter.

    Args:
        ffmpeg: the program.
        master: the source.
        conform: says which time in it is that of the first frame.
        duration: of the video, in seconds.
        policy: what is wanted.
        into: an existing folder.
        he_aac: the encoder for HE-AAC, of :func:`encoder.encode.audio_graph.he_aac_encoder`.
        on_progress: called with the number of video frames whose time is reached.
        on_warning: called with a sentence for each track that cannot be decoded, which is then
            left out. Without it, such a track is an error.

    Returns:
        The renditions in the order of the master's streams, stereo first; empty for a master
        without audio.

    Raises:
        MasterError: when a track cannot be decoded and nobody is there to be warned.
        EncodeError: when FFmpeg fails, or a rendition does not cover the video.
        MachineError: when the disk is full.
    """
    warn = on_warning or (lambda _: None)
    streams = [one for one in master.audio if _decodes(ffmpeg, master, conform, one, on_warning)]
    tracks = _plan(streams, policy, he_aac, warn)
    if not tracks:
        return ()
    with tempfile.TemporaryDirectory(prefix=".audio-", dir=into) as name_of_folder:
        folder = Path(name_of_folder)
        job = _Job(ffmpeg, master, conform, duration, folder, on_progress)
        measured, gains = _encode(job, tracks, policy)
        for track in tracks:
            _check(folder / f"{track.id}.mp4", track, duration)
        for track in tracks:
            (folder / f"{track.id}.mp4").replace(into / f"{track.id}.mp4")
    return tuple(
        AudioRendition(
            id=track.id,
            codec=track.codec,
            language=language(track.stream),
            name=track.name,
            channels=track.mix.channels,
            sample_rate=SAMPLE_RATE,
            default=track.default,
            roles=roles(track.stream),
            loudness=_loudness(found),
            gain=gain,
            path=into / f"{track.id}.mp4",
            source=track.stream.index,
        )
        for track, found, gain in zip(tracks, measured, gains, strict=True)
    )


@dataclass(frozen=True, slots=True)
class _Job:
    """What all runs have in common; they write into ``folder``."""

    ffmpeg: Ffmpeg
    master: Master
    conform: Conform
    duration: Fraction
    folder: Path
    on_progress: Callable[[int], None] | None


def _decodes(
    ffmpeg: Ffmpeg,
    master: Master,
    conform: Conform,
    stream: AudioStream,
    on_warning: Callable[[str], None] | None,
) -> bool:
    """Whether there is a decoder for the stream that gets sound out of it."""
    try:
        run(ffmpeg, arguments(first_sound(master, conform, stream)))
    except ProcessFailed as failure:
        if on_warning is None:
            raise MasterError(
                "An audio track cannot be decoded",
                where=f"{master.path}, stream {stream.index} ({stream.codec})",
                why=failure.reason,
                hint="Convert this track to PCM or AAC, or remove it from the master",
            ) from failure
        on_warning(
            f"Audio stream {stream.index} ({stream.codec}, {stream.language}) cannot be decoded "
            f"and is left out: {failure.reason}"
        )
        return False
    return True


def _plan(
    streams: Sequence[AudioStream],
    policy: AudioPolicy,
    he_aac: str | None,
    warn: Callable[[str], None],
) -> list[Track]:
    """The renditions of the streams; of each layout and codec one is the default."""
    wanted: list[tuple[AudioStream, Mix, str]] = []
    surrounds: dict[int, Mix] = {}
    for stream in streams:
        surround = mix(stream.layout, stream.channels, "5.1")
        if policy.surround and surround is not None and surround.target == "5.1":
            surrounds[stream.index] = surround
    for stream in streams:
        stereo = mix(stream.layout, stream.channels, "stereo")
        if stereo is None:
            stereo = first_two()
            warn(
                f"Audio stream {stream.index} has {stream.channels} channels of unknown meaning: "
                "the first two are taken for left and right, the others are left out"
            )
        wanted.append((stream, stereo, "aac"))
        if he_aac and policy.he_aac and policy.he_aac_bitrate < policy.stereo_bitrate:
            wanted.append((stream, stereo, "he-aac"))
        for codec in policy.surround_codecs if surrounds else ():
            # A group of one codec needs all that there is to hear, in stereo where it is no more.
            if stream.index in surrounds:
                wanted.append((stream, surrounds[stream.index], codec))
            elif codec != "aac":
                wanted.append((stream, stereo, codec))
        if policy.opus_bitrate is not None:
            wanted.append((stream, stereo, "opus"))
    defaults = {
        kind: main_stream(stream for stream, one, codec in wanted if (one.target, codec) == kind)
        for kind in {(one.target, codec) for _, one, codec in wanted}
    }
    tracks: list[Track] = []
    for stream, one, codec in wanted:
        layout = "stereo" if one.target == "stereo" else "surround"
        word = one.target if codec == "aac" else f"{one.target} {_WORDS[codec]}"
        tracks.append(
            Track(
                id=identifier(
                    stream,
                    layout if codec == "aac" else f"{layout}-{codec}",
                    [track.id for track in tracks],
                ),
                name=name(stream, word, [track.name for track in tracks]),
                stream=stream,
                mix=one,
                bitrate=_bitrate(codec, one, policy),
                default=defaults[one.target, codec] is stream,
                codec=codec,
                encoder=he_aac if codec == "he-aac" else None,
            )
        )
    return tracks


_WORDS = {
    "he-aac": "HE-AAC",
    "ac3": "Dolby Digital",
    "eac3": "Dolby Digital Plus",
    "opus": "Opus",
}
# ATSC A/52, table 5.18: AC-3 has these rates, in kb/s, and no others.
_AC3_RATES = (
    *(32, 40, 48, 56, 64, 80, 96, 112, 128, 160),
    *(192, 224, 256, 320, 384, 448, 512, 576, 640),
)
# What Dolby recommends for stereo.
_AC3_STEREO = 192_000


def _bitrate(codec: str, one: Mix, policy: AudioPolicy) -> int:
    stereo = one.target == "stereo"
    if codec == "opus" and policy.opus_bitrate is not None:
        return policy.opus_bitrate
    if codec == "he-aac":
        return policy.he_aac_bitrate
    if codec == "aac":
        return policy.stereo_bitrate if stereo else policy.surround_bitrate
    wanted = _AC3_STEREO if stereo else policy.surround_bitrate
    return next((rate * 1000 for rate in _AC3_RATES if rate * 1000 >= wanted), 640_000)


def _encode(
    job: _Job, tracks: Sequence[Track], policy: AudioPolicy
) -> tuple[list[Measured], list[float]]:
    """Encodes the tracks; what was measured of them, and the gains applied, in dB."""
    source = job.master, job.conform, job.duration
    # A gain has to be known before encoding. Where none can be needed, one run does everything.
    if policy.loudness is None and not any(track.mix.adds for track in tracks):
        gains = [0.0] * len(tracks)
        _run(job, outputs(*source, tracks, gains=gains, measure=True), 0, 1)
        return _read(job, tracks), gains
    _run(job, outputs(*source, tracks, gains=None, measure=True), 0, 2)
    measured = _read(job, tracks)
    gains = [_gain(found, track.mix, policy) for found, track in zip(measured, tracks, strict=True)]
    _run(job, outputs(*source, tracks, gains=gains, measure=False), 1, 2)
    return measured, gains


def _run(job: _Job, made: Sequence[Stream], number: int, runs: int) -> None:
    """One of several runs over the master."""
    try:
        run(
            job.ffmpeg,
            arguments(graph.merge_outputs(*made)),
            folder=job.folder,
            on_progress=_reporter(job, number, runs),
        )
    except ProcessFailed as failure:
        if any("Changing audio frame properties" in line for line in failure.tail):
            raise MasterError(
                "The master's audio changes its format on the way",
                where=str(job.master.path),
                why="its channels or sampling rate are not the same from the first second to the "
                "last",
                hint="Convert the track that changes into one format, such as PCM in stereo",
            ) from failure
        raise EncodeError(
            "The audio could not be encoded",
            where=str(job.master.path),
            why=f"{failure.describe_code()}: {failure.reason}",
            hint="Run `encoder doctor`; with -v the whole command and its messages are shown",
        ) from failure
    if job.on_progress is not None:
        job.on_progress(_frames(job) * (number + 1) // runs)


def _frames(job: _Job) -> int:
    return round(job.duration * job.conform.frame_rate)


def _reporter(job: _Job, number: int, runs: int) -> Callable[[Progress], None] | None:
    """Progress as video frames of the title, over all runs."""
    report = job.on_progress
    if report is None:
        return None
    frames = _frames(job)

    def forward(progress: Progress) -> None:
        reached = int(Fraction(progress.time_us, 1_000_000) * job.conform.frame_rate)
        report((number * frames + min(frames, max(0, reached))) // runs)

    return forward


def _read(job: _Job, tracks: Sequence[Track]) -> list[Measured]:
    return [read_loudness(job.folder / loudness_log(number)) for number in range(len(tracks))]


def _gain(measured: Measured, one: Mix, policy: AudioPolicy) -> float:
    """The gain in dB, to a hundredth, that the policy and full scale ask for."""
    headroom = policy.true_peak - measured.highest_peak_db
    if policy.loudness is not None:
        if measured.integrated is None:
            return 0.0
        wanted = min(policy.loudness - measured.integrated, headroom)
    else:
        wanted = min(0.0, headroom) if one.adds and measured.peak > 1 else 0.0
    return math.floor(wanted * 100) / 100


def _loudness(measured: Measured) -> Loudness:
    return Loudness(measured.integrated, measured.range, measured.peak_db)


def _check(path: Path, track: Track, duration: Fraction) -> None:
    """Makes sure that a rendition is what was planned and lasts from 0 to the video's end."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        found = (stream.channels, stream.sample_rate)
        profile = stream.codec_context.profile or "no known profile"
        start, end = Fraction(1), Fraction(0)
        for packet in container.demux(stream):
            if packet.pts is not None and packet.duration is not None:
                time = packet.pts * packet.time_base
                start, end = min(start, time), max(end, time + packet.duration * packet.time_base)
    if found != (track.mix.channels, SAMPLE_RATE):
        raise EncodeError(
            "An audio rendition is not as planned",
            where=track.id,
            why=f"it has {found[0]} channels at {found[1]} Hz",
        )
    if track.codec == "he-aac" and not profile.startswith("HE-AAC"):
        raise EncodeError(
            "An audio rendition is not as planned",
            where=track.id,
            why=f"{track.encoder} made {profile} of it, not HE-AAC",
            hint="Use another FFmpeg, or set `he_aac: false` in the policy's `audio`",
        )
    if start > 0 or end < duration:
        raise EncodeError(
            "An audio rendition does not cover the video",
            where=track.id,
            why=f"it lasts from {float(start):.3f} to {float(end):.3f} s, the video from 0 to "
            f"{float(duration):.3f} s",
        )
