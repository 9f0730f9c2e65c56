"""Renditions that were encoded elsewhere -> RenditionSet, without encoding anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from encoder.encode.tracks import identifier as audio_identifier
from encoder.encode.tracks import language, main_stream, name, roles
from encoder.engine.events import Notice
from encoder.engine.steps import Steps
from encoder.engine.targets import identifier
from encoder.errors import MasterError, PackageError, UsageError
from encoder.media.coded import CodedFile, CodedVideo
from encoder.media.master import AudioStream
from encoder.media.renditions import AudioRendition, Loudness, Rendition, RenditionSet
from encoder.package.alignment import Candidate, common_rate, disagreements, unfit
from encoder.package.rewrap import retime_video, shift_audio
from encoder.probe.coded import read_coded

# FFmpeg's names of what CMAF tracks are made of here.
_VIDEO = {"h264": "H.264", "hevc": "HEVC", "av1": "AV1", "vp9": "VP9"}
_AUDIO = {"aac": "AAC", "ac3": "AC-3", "eac3": "E-AC-3", "opus": "Opus"}
# FFmpeg's name of MPEG-2 transport streams.
_CLOCKED = "mpegts"
# The longest access unit that any of them usually has: sound that starts so much late is moved.
_LATE = Fraction(2048, 44100)
# More would not help anybody to find the cause.
_MOST_SAID = 12


@dataclass(frozen=True, slots=True)
class _Sound:
    """An audio stream of a file; ``origin`` is when the file's pictures start, in seconds."""

    file: CodedFile
    stream: AudioStream
    origin: Fraction


def is_folder(path: Path) -> bool:
    """Whether a path is a folder, as far as that may be known."""
    try:
        return path.is_dir()
    except OSError:
        return False


def check_inputs(paths: Sequence[Path]) -> None:
    """Makes sure that what was given is one folder, or files.

    Raises:
        UsageError: when it is several folders, or folders and files, or a file twice.
    """
    folders = [path for path in paths if is_folder(path)]
    if folders and len(paths) > 1:
        raise UsageError(
            "A folder of renditions is packaged alone",
            where=str(folders[0]),
            why=f"there are {len(paths) - 1} more arguments",
            hint="Give the folder, or the files one by one",
        )
    if len({path.resolve() for path in paths}) < len(paths):
        raise UsageError("A file is given twice", where=", ".join(map(str, paths)))


@dataclass(frozen=True, slots=True)
class Gathered:
    """Renditions that are copies of files, by the path of each copy."""

    renditions: RenditionSet
    originals: Mapping[str, Path] = field(default_factory=dict)

    @contextmanager
    def named(self) -> Iterator[None]:
        """Has errors of packaging name the file that was given, not its copy."""
        try:
            yield
        except PackageError as error:
            original = self.originals.get(error.where)
            if original is None:
                raise
            raise PackageError(
                error.what, where=str(original), why=error.why, hint=error.hint
            ) from error


def gather_elsewhere(steps: Steps, paths: Sequence[Path], folder: Path) -> Gathered:
    """The renditions that files hold, once they are known to be of one title.

    Args:
        steps: the store, what runs FFmpeg, and who is told.
        paths: the files: each with the pictures of a rung, or with sound, or both.
        folder: an existing folder for copies with exact times.

    Raises:
        PackageError: when a file cannot be read or packaged, or they do not fit each other: it
            names each file that differs, and the frames. Nothing is copied before that is known.
        MachineError: when FFmpeg cannot be run, or there is no room.
    """
    files = [_read(steps, path) for path in paths]
    pictures = [(one, one.video) for one in files if one.video is not None]
    if not pictures:
        raise PackageError(
            "There is nothing to package",
            where=", ".join(map(str, paths)),
            why="none of the files has pictures",
            hint="Give at least one rung",
        )
    called = _names(paths)
    candidates = [Candidate(called[one.path], video) for one, video in pictures]
    sounds = _sounds(steps, files)
    rate = common_rate(candidates)
    said = _unsupported(pictures, sounds, called)
    said += [what for one in candidates for what in unfit(one, rate)]
    if not said:
        said += disagreements(candidates)
    said += _late(sounds, called)
    if said:
        more = [f"and {len(said) - _MOST_SAID} more"] if len(said) > _MOST_SAID else []
        raise PackageError(
            "The files cannot be packaged together" if len(paths) > 1 else "It cannot be packaged",
            where=", ".join(str(path) for path in paths),
            why="; ".join(said[:_MOST_SAID] + more),
            hint="Encode those anew with the same key frames, frame rate and length as the others: "
            "nothing is encoded here",
        )
    for one in files:
        if one.text:
            steps.emit(
                Notice(
                    "info",
                    f"{one.path}: its subtitles are left out; give them with --subtitles",
                )
            )
    if sounds and all(one.stream.codec == "opus" for one in sounds):
        steps.warn("HLS has no sound: it takes no Opus; give AAC as well")
    originals: dict[str, Path] = {}
    renditions = RenditionSet(
        video=_rungs(steps, pictures, rate, folder, originals),
        audio=_tracks(steps, sounds, folder, originals),
        frame_rate=rate,
        frames=pictures[0][1].frames,
    )
    return Gathered(renditions, originals)


def _names(paths: Sequence[Path]) -> dict[Path, str]:
    """What files are called in messages: by their names alone where these differ."""
    names = [path.name for path in paths]
    return {path: path.name if names.count(path.name) == 1 else str(path) for path in paths}


def _read(steps: Steps, path: Path) -> CodedFile:
    try:
        with steps.stage("probe"):
            return read_coded(path)
    except MasterError as error:
        raise PackageError(
            error.what.replace("master", "file"),
            where=error.where,
            why=error.why,
            hint=error.hint,
        ) from error


def _sounds(steps: Steps, files: Sequence[CodedFile]) -> list[_Sound]:
    """What is heard: the files of sound alone; without one, what lies beside the first pictures.

    Rungs that were made with the sound in them all have the same. The time 0 of a file is that of
    the title's first picture, but in a transport stream, whose clock may start anywhere, and which
    muxers start where decoding does: one of sound alone starts with the pictures.
    """
    alone = [one for one in files if one.video is None]
    beside = [one for one in files if one.video is not None and one.audio]
    used = alone or beside[:1]
    for one in beside:
        if one not in used:
            steps.emit(
                Notice(
                    "info", f"{one.path}: its sound is left out, that of {used[0].path} is taken"
                )
            )

    def origin(one: CodedFile, stream: AudioStream) -> Fraction:
        if one.video is not None:
            return one.video.stream.start
        return stream.start if one.container == _CLOCKED else Fraction(0)

    return [_Sound(one, stream, origin(one, stream)) for one in used for stream in one.audio]


def _unsupported(
    pictures: Sequence[tuple[CodedFile, CodedVideo]],
    sounds: Sequence[_Sound],
    called: Mapping[Path, str],
) -> list[str]:
    said = [
        f"{called[one.path]}: its video is {video.stream.codec}, and {_listed(_VIDEO)} are packaged"
        for one, video in pictures
        if video.stream.codec not in _VIDEO
    ]
    return said + [
        f"{called[one.file.path]}: its sound is {one.stream.codec}, and {_listed(_AUDIO)} are "
        "packaged"
        for one in sounds
        if one.stream.codec not in _AUDIO
    ]


def _listed(names: dict[str, str]) -> str:
    *most, last = names.values()
    return f"{', '.join(most)} and {last}"


def _late(sounds: Sequence[_Sound], called: Mapping[Path, str]) -> list[str]:
    return [
        f"{called[one.file.path]}: its sound starts {float(one.stream.start - one.origin):.3f} s "
        "after the pictures, and silence would have to be encoded"
        for one in sounds
        if one.stream.start - one.origin > _LATE
    ]


def _rungs(
    steps: Steps,
    pictures: Sequence[tuple[CodedFile, CodedVideo]],
    rate: Fraction,
    folder: Path,
    originals: dict[str, Path],
) -> tuple[Rendition, ...]:
    """The rungs, from the best on."""
    made: list[Rendition] = []

    def best_first(one: tuple[CodedFile, CodedVideo]) -> tuple[int, int]:
        stream = one[1].stream
        return -stream.width * stream.height, -(stream.bitrate or 0)

    for one, video in sorted(pictures, key=best_first):
        stream = video.stream
        # The folder of I-frame playlists lies among those of tracks.
        taken = {"iframes", *(rung.id for rung in made)}
        named = identifier(one.path, taken, portable=True)
        target = folder / f"{named}.mp4"
        retime_video(
            steps.ffmpeg,
            one.path,
            stream.index,
            target,
            codec=stream.codec,
            frame_rate=rate,
            delay=video.delay,
        )
        originals[str(target)] = one.path
        made.append(
            Rendition(
                id=named,
                codec=stream.codec,
                width=stream.width,
                height=stream.height,
                frame_rate=rate,
                frames=video.frames,
                keyframes=video.keyframes,
                colour=stream.colour,
                path=target,
            )
        )
    return tuple(made)


def _tracks(
    steps: Steps, sounds: Sequence[_Sound], folder: Path, originals: dict[str, Path]
) -> tuple[AudioRendition, ...]:
    made: list[AudioRendition] = []
    first = main_stream([one.stream for one in sounds]) if sounds else None
    for one in sounds:
        stream = one.stream
        layout = stream.layout if stream.channels > 2 else ("mono", "stereo")[stream.channels > 1]
        codec = [] if stream.codec == "aac" else [stream.codec]
        word = "-".join(["surround" if stream.channels > 2 else layout, *codec])
        named = audio_identifier(stream, word, [track.id for track in made])
        target = folder / f"{named}.mp4"
        # Sound may start a little before the pictures, which an edit list leaves out. What little
        # it starts late, an edit list could only delay, which players do not follow.
        late = stream.start > one.origin
        origin = stream.start if late else one.origin
        shift_audio(steps.ffmpeg, one.file.path, stream.index, target, origin)
        originals[str(target)] = one.file.path
        made.append(
            AudioRendition(
                id=named,
                codec=stream.codec,
                language=language(stream),
                name=name(stream, " ".join([layout, *codec]), [track.name for track in made]),
                channels=stream.channels,
                sample_rate=stream.sample_rate,
                default=stream is first,
                roles=roles(stream),
                loudness=Loudness(None, None, None),
                gain=0.0,
                path=target,
            )
        )
    return tuple(made)
