"""Measures the rate-quality surfaces of many shots: what the ladder's prior is trained on.

    python scripts/train/measure.py CLIPS -o SHOTS [--codec h264|av1] [--per-clip N] [--minutes M]
    python scripts/train/measure.py --merge SHOTS -o FILE.json

CLIPS is a folder of videos. Each shot found in them by the analysis gives one file in the folder
SHOTS, named by its content; what is there already is not measured again, so that a run may be
stopped at any time, and one with more clips goes on where the last ended. The first shot of every
clip comes first, then the second of every clip, and so on; of file names such as
``origin__name.mp4``, one clip of each origin comes first, then the next of each. ``--merge`` writes
all shots into one compact file.

Of a shot, 40 consecutive frames from its middle (or all, if it has at least 24) are conformed as
every verb does and scaled down to a short side of 720 at most; of every eighth shot of at least
1080, to 1080. Then at six resolutions, and five CRFs each, with the encoder options, scalers and
VMAF of the ladder's trials, two grids are measured:

- ``truth``: all frames, VMAF on every 2nd
- ``short``: 12 frames from a third of the way on, a shot of their own, VMAF on every 3rd

and for both, what scaling alone costs (``scaled``): the pictures at each of the smaller sizes and
back, with no encode in between.

A shot's file has, apart from names: ``source_width`` and ``source_height`` (the clip's, conformed);
``width`` and ``height`` of the pictures measured; ``frame_rate`` (numerator and denominator);
``start``, the first frame in the clip; ``frames``; ``complexity``, the analysis's of these very
pictures; ``sizes`` (width, height) and ``crfs``; ``cpu_seconds`` of measuring; and of either grid
``start`` (within the shot), ``frames``, ``every``, and one row for each size with one number for
each CRF: ``idr`` and ``rest``, the bits of the first packet and of all the others, and ``vmaf``,
the mean of the scored frames but the first. ``scaled`` has one number for each size but the
largest: ``vmaf``, of every 6th frame of ``truth``, and ``mse``, the mean squared error of all luma
samples. A rate is ``(idr + rest) / frames * frame_rate``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from encoder.analysis.analyze import analyze
from encoder.codecs import codec_named
from encoder.encode.keyframes import gop_frames
from encoder.errors import EncoderError, MeasureError
from encoder.ffmpeg.graph import file_url
from encoder.ffmpeg.locate import Ffmpeg, locate
from encoder.ffmpeg.process import PROTOCOLS, run
from encoder.ladder.decide import VMAF_MODEL
from encoder.ladder.geometry import even
from encoder.ladder.sample import Window
from encoder.ladder.trials import Encode, TrialSettings, extract_sample, run_trials, window_mean
from encoder.media.conform import Conform, Filter
from encoder.media.frames import FrameRange
from encoder.media.master import Master
from encoder.media.shots import Analysis, Complexity, Shot
from encoder.probe.conform import decide_conform
from encoder.probe.probe import probe
from encoder.score.logs import read_vmaf
from encoder.score.measure import SCALE_FLAGS

SHOT_SCHEMA = "encoder.train.shot/2"
MERGED_SCHEMA = "encoder.train.shots/2"

MOST_FRAMES, FEWEST_FRAMES = 40, 24
SHORT_FRAMES = 12
SCALES = tuple(Fraction(*s) for s in ((1, 1), (3, 4), (3, 5), (1, 2), (1, 3), (1, 5)))
CRFS = {"h264": (17.0, 23.0, 29.0, 35.0, 41.0), "av1": (20.0, 28.0, 36.0, 44.0, 52.0)}
_GOP_SECONDS = Fraction(2)
_TRUTH_EVERY, _SHORT_EVERY = 2, 3
_SCALED_EVERY = 6
# Pictures of 1080 lines take two and a half times as long to measure as those of 720.
_LARGE_EVERY = 8


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip, what it conforms to, and its shots that are long enough."""

    master: Master
    conform: Conform
    shots: tuple[Shot, ...]


@dataclass(frozen=True, slots=True)
class Pictures:
    """A shot's pictures in a lossless file, conformed and scaled: a master of their own."""

    master: Master
    conform: Conform
    frames: int


def in_turn(names: Sequence[str]) -> list[str]:
    """File names with one of each origin first, then the second of each, and so on.

    The origin is what comes before ``__``; a name without is an origin by itself.
    """
    groups = [list(g) for _, g in groupby(sorted(names), lambda n: n.partition("__")[0])]
    most = max(map(len, groups), default=0)
    return [group[i] for i in range(most) for group in groups if i < len(group)]


def pick(shots: Sequence[Shot], count: int) -> list[Shot]:
    """At most ``count`` of the shots, spread evenly; the middle one first."""
    if len(shots) > count:
        shots = [shots[(2 * k + 1) * len(shots) // (2 * count)] for k in range(count)]
    middle = len(shots) // 2
    return [*shots[middle:], *shots[:middle]]


def piece(shot: FrameRange) -> FrameRange:
    """The frames of a shot that are measured: from its middle, away from its transitions."""
    length = min(MOST_FRAMES, len(shot))
    start = shot.start + (len(shot) - length) // 2
    return FrameRange(start, start + length)


def measured_size(width: int, height: int, most: int) -> tuple[int, int]:
    """The size at which a shot is measured: a short side of at most ``most``, both sides even."""
    ratio = min(Fraction(1), Fraction(most, min(width, height)))
    return even(width * ratio), even(height * ratio)


def open_clip(ffmpeg: Ffmpeg, path: Path, per_clip: int) -> Clip:
    """Probes and analyses a clip."""
    master = probe(path, ffmpeg)
    conform = decide_conform(master)
    found = analyze(ffmpeg, master, conform)
    shots = [shot for shot in found.shots if len(shot.frames) >= FEWEST_FRAMES]
    return Clip(master, conform, tuple(pick(shots, per_clip)))


def key_of(clip: Clip, frames: FrameRange, codec: str) -> str:
    """What a shot is known by: the clip's content, the frames, and what is measured."""
    recipe = (
        clip.master.digest,
        f"{frames.start}-{frames.end}",
        f"{clip.conform.width}x{clip.conform.height}@{clip.conform.frame_rate}",
        codec,
        codec_named(codec).default_preset,
        VMAF_MODEL,
        SHOT_SCHEMA,
    )
    return hashlib.sha256("\n".join(recipe).encode()).hexdigest()[:20]


def measure_shot(ffmpeg: Ffmpeg, clip: Clip, frames: FrameRange, codec: str) -> dict[str, Any]:
    """Both grids of a shot, and its complexity, as its file has them.

    Raises:
        EncoderError: when FFmpeg fails, or lacks something.
    """
    before, conform = _cpu(), clip.conform
    key = key_of(clip, frames, codec)
    large = min(conform.width, conform.height) >= 1080 and int(key, 16) % _LARGE_EVERY == 0
    width, height = measured_size(conform.width, conform.height, 1080 if large else 720)
    sizes = [(even(width * scale), even(height * scale)) for scale in SCALES]
    with tempfile.TemporaryDirectory(prefix="encoder-train-") as name:
        folder = Path(name)
        pictures = _extract(ffmpeg, clip, frames, (width, height), folder)
        part = folder / "short"
        part.mkdir()
        start = len(frames) // 3
        short = FrameRange(start, start + SHORT_FRAMES)
        window = Window(short, 0)
        (sample,) = extract_sample(ffmpeg, pictures.master, pictures.conform, [window], part)
        shorter = replace(pictures, master=replace(pictures.master, path=sample), frames=len(short))
        found = analyze(ffmpeg, pictures.master, pictures.conform)
        document = {
            "schema": SHOT_SCHEMA,
            "key": key,
            "clip": clip.master.path.name,
            "codec": codec,
            "preset": codec_named(codec).default_preset,
            "vmaf_model": VMAF_MODEL,
            "ffmpeg": ffmpeg.version,
            "source_width": conform.width,
            "source_height": conform.height,
            "width": width,
            "height": height,
            "frame_rate": [conform.frame_rate.numerator, conform.frame_rate.denominator],
            "start": frames.start,
            "frames": len(frames),
            "complexity": asdict(whole(found)),
            "sizes": [list(size) for size in sizes],
            "crfs": list(CRFS[codec]),
            "truth": {
                "start": 0,
                **_grid(ffmpeg, pictures, codec, sizes, _TRUTH_EVERY, folder),
                "scaled": _scaled(ffmpeg, pictures, sizes, _SCALED_EVERY, folder),
            },
            "short": {
                "start": start,
                **_grid(ffmpeg, shorter, codec, sizes, _SHORT_EVERY, part),
                "scaled": _scaled(ffmpeg, shorter, sizes, _SHORT_EVERY, part),
            },
        }
    return {**document, "cpu_seconds": round(_cpu() - before, 1)}


def _extract(
    ffmpeg: Ffmpeg, clip: Clip, frames: FrameRange, size: tuple[int, int], folder: Path
) -> Pictures:
    width, height = size
    conform = clip.conform
    if size != (conform.width, conform.height):
        scale = Filter("scale", (str(width), str(height)), (("flags", "lanczos+accurate_rnd"),))
        filters = (*conform.filters, scale, Filter("setsar", ("1",)))
        conform = replace(conform, filters=filters, width=width, height=height)
    window = Window(frames, 0)
    (sample,) = extract_sample(ffmpeg, clip.master, conform, [window], folder)
    # They are reference pictures already: nothing is left to be conformed.
    as_it_is = replace(conform, stream_index=0, input_options=(), filters=())
    return Pictures(replace(clip.master, path=sample), as_it_is, len(frames))


def whole(found: Analysis) -> Complexity:
    """The complexity of pictures that are one shot, whatever the analysis took them for."""

    def mean(name: str) -> Any:
        values = [getattr(shot.complexity, name) for shot in found.shots]
        lengths = [len(shot.frames) for shot in found.shots]
        return np.average(values, axis=0, weights=lengths).tolist()

    return Complexity(**{field.name: mean(field.name) for field in fields(Complexity)})


def _grid(
    ffmpeg: Ffmpeg,
    pictures: Pictures,
    codec_name: str,
    sizes: Sequence[tuple[int, int]],
    every: int,
    folder: Path,
) -> dict[str, Any]:
    codec, crfs = codec_named(codec_name), CRFS[codec_name]
    settings = TrialSettings(
        preset=codec.default_preset,
        gop_frames=gop_frames(pictures.conform.frame_rate, _GOP_SECONDS),
        vmaf_model=VMAF_MODEL,
        every=every,
        threads=os.cpu_count() or 1,
        jobs=1,
    )
    windows = [Window(FrameRange(0, pictures.frames), 0)]
    trials = run_trials(
        ffmpeg,
        [pictures.master.path],
        pictures.conform,
        windows,
        codec,
        [Encode(width, height, 0, crf) for width, height in sizes for crf in crfs],
        settings,
        folder,
    )
    found = {(t.width, t.height, t.crf): t for t in trials}
    rows: dict[str, list[list[float]]] = {"idr": [], "rest": [], "vmaf": []}
    for width, height in sizes:
        own = [found[width, height, crf] for crf in crfs]
        # Of a slow rate the forty frames hold a second IDR picture: the mean stands for one.
        first = [round(one.key_bits / one.key_frames) for one in own]
        rows["idr"].append([float(bits) for bits in first])
        rows["rest"].append(
            [
                float(one.key_bits + one.other_bits - bits)
                for one, bits in zip(own, first, strict=True)
            ]
        )
        rows["vmaf"].append([round(one.vmaf, 4) for one in own])
    return {"frames": pictures.frames, "every": every, **rows}


def _scaled(
    ffmpeg: Ffmpeg,
    pictures: Pictures,
    sizes: Sequence[tuple[int, int]],
    every: int,
    folder: Path,
) -> dict[str, list[float]]:
    """VMAF and mean squared error of luma of pictures that were scaled down and up again."""
    conform = pictures.conform
    full = (conform.width, conform.height)
    smaller = [size for size in sizes if size != full]
    clock = f"settb=1/{conform.frame_rate.numerator},setpts=N*{conform.frame_rate.denominator}"
    labels = "".join(f"[a{n}][b{n}][c{n}]" for n in range(len(smaller)))
    chains = [f"[0:v]{clock},split={3 * len(smaller)}{labels}"]
    outputs = []
    for n, (width, height) in enumerate(smaller):
        chains += [
            f"[a{n}]scale={width}:{height}:flags=lanczos+accurate_rnd,"
            f"scale={full[0]}:{full[1]}:flags={SCALE_FLAGS},{clock},split=2[d{n}][e{n}]",
            f"[d{n}][b{n}]libvmaf=model=version={VMAF_MODEL}:log_path=scaled-{n}.csv:log_fmt=csv"
            f":n_subsample={every}[v{n}]",
            f"[e{n}][c{n}]psnr=stats_file=scaled-{n}.txt[p{n}]",
        ]
        for label in (f"[v{n}]", f"[p{n}]"):
            outputs += ["-map", label, "-fps_mode", "passthrough", "-f", "null", "-"]
    source = ["-protocol_whitelist", PROTOCOLS, "-i", file_url(pictures.master.path)]
    run(ffmpeg, [*source, "-filter_complex", ";".join(chains), *outputs], folder=folder)
    vmaf, mse = [], []
    for n in range(len(smaller)):
        vmaf.append(round(window_mean(read_vmaf(folder / f"scaled-{n}.csv")), 4))
        lines = (folder / f"scaled-{n}.txt").read_text(encoding="utf-8").splitlines()
        found = [float(line.partition("mse_y:")[2].split()[0]) for line in lines]
        mse.append(round(sum(found) / len(found), 4))
    return {"vmaf": vmaf, "mse": mse}


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def wanted(ffmpeg: Ffmpeg, folder: Path, per_clip: int) -> Iterator[tuple[Clip, FrameRange]]:
    """The shots of a folder's clips, in the order of measuring.

    The folder is read again in each round, so that clips may be added meanwhile. What cannot be
    read is said once and left out.
    """
    clips: dict[str, Clip | None] = {}
    for turn in range(per_clip):
        for name in in_turn([p.name for p in folder.iterdir() if p.is_file()]):
            if name not in clips:
                try:
                    clips[name] = open_clip(ffmpeg, folder / name, per_clip)
                except EncoderError as error:
                    clips[name] = None
                    print(f"{name}: left out: {error}", file=sys.stderr, flush=True)
            clip = clips[name]
            if clip is not None and turn < len(clip.shots):
                yield clip, piece(clip.shots[turn].frames)


def measure_all(
    ffmpeg: Ffmpeg, clips: Path, out: Path, codec: str, per_clip: int, minutes: float | None
) -> int:
    """Measures what is not measured yet; returns how many shots were.

    ``minutes``: no shot is begun after these.
    """
    out.mkdir(parents=True, exist_ok=True)
    end = None if minutes is None else time.monotonic() + 60 * minutes
    count = 0
    for clip, frames in wanted(ffmpeg, clips, per_clip):
        if end is not None and time.monotonic() >= end:
            break
        path = out / f"{key_of(clip, frames, codec)}.json"
        if path.exists():
            continue
        name = clip.master.path.name
        try:
            document = measure_shot(ffmpeg, clip, frames, codec)
        except MeasureError as error:
            print(f"{name}: left out: {error}", file=sys.stderr, flush=True)
            continue
        _write(path, json.dumps(document) + "\n")
        count += 1
        print(
            f"{name} {document['width']}x{document['height']} from frame {frames.start}: "
            f"{document['cpu_seconds']:.0f} CPU seconds",
            file=sys.stderr,
            flush=True,
        )
    return count


def merge(folder: Path) -> str:
    """All shots of a folder as one document, rounded to what can be told apart, a line a shot."""
    shots = [json.loads(p.read_text(encoding="utf-8")) for p in sorted(folder.glob("*.json"))]
    shots.sort(key=lambda shot: (shot["clip"], shot["start"], shot["key"]))
    lines = ",\n".join(json.dumps(_compact(shot), separators=(",", ":")) for shot in shots)
    return f'{{"schema":"{MERGED_SCHEMA}","shots":[\n{lines}\n]}}\n'


def _compact(shot: dict[str, Any]) -> dict[str, Any]:
    left_out = ("schema", "key", "ffmpeg", "cpu_seconds")
    kept = {name: value for name, value in shot.items() if name not in left_out}
    kept["complexity"] = {
        name: np.round(value, 3).tolist() for name, value in shot["complexity"].items()
    }
    for grid in ("truth", "short"):
        kept[grid] = {
            **shot[grid],
            "idr": [[round(v) for v in row] for row in shot[grid]["idr"]],
            "rest": [[round(v) for v in row] for row in shot[grid]["rest"]],
            "vmaf": [[round(v, 2) for v in row] for row in shot[grid]["vmaf"]],
        }
    return kept


def _write(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.part")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def main() -> int:
    """Measures a folder of clips, or merges what was measured."""
    parser = argparse.ArgumentParser(description="Measure what the ladder's prior is trained on.")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("clips", nargs="?", type=Path, help="folder of clips to measure")
    source.add_argument("--merge", type=Path, metavar="SHOTS", help="folder of shots to merge")
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder, or file, to write")
    parser.add_argument("--codec", choices=sorted(CRFS), default="h264")
    parser.add_argument("--per-clip", type=int, default=4, help="most shots of a clip (default 4)")
    parser.add_argument("--minutes", type=float, help="begin no shot after these")
    parser.add_argument("--ffmpeg", help="another FFmpeg")
    options = parser.parse_args()
    if options.per_clip < 1:
        parser.error("--per-clip must be at least 1")
    folder = options.merge or options.clips
    if not folder.is_dir():
        parser.error(f"{folder} is not a folder")
    if options.merge is not None:
        _write(options.out, merge(options.merge))
        return 0
    try:
        count = measure_all(
            locate(options.ffmpeg),
            options.clips,
            options.out,
            options.codec,
            options.per_clip,
            options.minutes,
        )
    except EncoderError as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)
    print(f"{count} shots measured")
    return 0


if __name__ == "__main__":
    sys.exit(main())
