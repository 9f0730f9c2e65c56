"""Make the sample masters of `catalog.yaml` with FFmpeg, out of nothing but filters.

    python samples/generate.py [NAME ...] [-o DIR] [--list] [--json]

The same FFmpeg gives the same bytes every time. A file that is already there and was made by the
same recipe is left alone; a file of the same name that was not made here is never replaced.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
CATALOG = HERE / "catalog.yaml"
GRAPHS = HERE / "graphs"
MEDIA = HERE / "media"
SAMPLE_RATE = 48000

CONTAINERS = ("mkv", "mov", "mp4")
SCANS = ("progressive", "tff")
ROTATIONS = (0, 90, 180, 270)

# Filters and codecs may cut a picture into as many slices as there are threads, and random
# numbers or rate control may then differ from one machine to the next: one thread everywhere.
# Vector code rounds unlike plain C, and which vectors there are differs too: plain C everywhere.
_SAME_EVERYWHERE = (
    *("-cpuflags", "0"),
    *("-filter_threads", "1"),
    *("-filter_complex_threads", "1"),
)
_SCALER = "sws_flags=bicubic+accurate_rnd+full_chroma_int+bitexact;"

Say = Callable[[str], None]


class SampleError(Exception):
    """Something a person can mend. `exit_code`: 2 usage or catalog, 3 environment, 5 encode."""

    def __init__(self, exit_code: int, what: str, where: str, why: str, next_step: str) -> None:
        super().__init__(f"{what}: {where}: {why}. {next_step}")
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class AudioTrack:
    """One audio stream: FFmpeg encoder name, channel layout, ISO 639-2 language (`und`: none)."""

    codec: str
    layout: str
    language: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One master of the catalog. Geometry is as stored; `rotation` is the clockwise turn in
    degrees that shows it upright; cuts are the first frames of new shots; fades are half-open
    frame ranges during which the picture fades or dissolves; `video` is an encoder and its options.
    """

    name: str
    hard: str
    container: str
    width: int
    height: int
    frame_rate: Fraction
    frames: int
    video: tuple[str, ...]
    sample_aspect: Fraction = Fraction(1)
    rotation: int = 0
    scan: str = "progressive"
    pixel_format: str = "yuv420p"
    cuts: tuple[int, ...] = ()
    fades: tuple[tuple[int, int], ...] = ()
    audio: tuple[AudioTrack, ...] = ()

    @property
    def filename(self) -> str:
        return f"{self.name}.{self.container}"

    @property
    def duration(self) -> Fraction:
        """Seconds, exact."""
        return self.frames / self.frame_rate

    @property
    def audio_samples(self) -> int:
        """Samples per channel at 48 kHz that last as long as the picture, rounded up."""
        return -((-self.duration * SAMPLE_RATE) // 1)


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides the bytes of a file, except the FFmpeg that runs it: the argument lists in
    order (without the program; paths relative to a scratch folder) and the files they read."""

    steps: tuple[tuple[str, ...], ...]
    inputs: tuple[Path, ...]

    def digest(self, ffmpeg_version: str) -> str:
        files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in self.inputs}
        parts = {"steps": self.steps, "inputs": files, "ffmpeg": ffmpeg_version}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def load_catalog(path: Path = CATALOG) -> dict[str, Sample]:
    """Read and check the catalog, in its order. Raises SampleError naming entry and field."""
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(entries, list):
        raise _catalog_error(path, "it", "is not a list of samples")
    samples: dict[str, Sample] = {}
    for number, entry in enumerate(entries, start=1):
        where = f"{path}, entry {number}"
        try:
            sample = _sample(entry)
        except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
            why = f"is missing, unknown or wrong ({error!r})"
            raise _catalog_error(where, "a field", why) from error
        if sample.name in samples:
            raise _catalog_error(where, "name", f"'{sample.name}' is there twice")
        samples[sample.name] = sample
    return samples


def _sample(entry: dict[str, Any]) -> Sample:
    values = dict(entry)
    for field in ("frame_rate", "sample_aspect"):
        if field in values:
            # A string, for YAML reads 16:9 as a number of base sixty and 30.0 as a float.
            if not isinstance(values[field], str):
                raise TypeError(f"{field} must be a quoted string")
            values[field] = Fraction(values[field].replace(":", "/"))
    values["video"] = tuple(values["video"])
    values["cuts"] = tuple(values.get("cuts", ()))
    values["fades"] = tuple((start, end) for start, end in values.get("fades", ()))
    values["audio"] = tuple(AudioTrack(**track) for track in values.get("audio", ()))
    sample = Sample(**values)
    marks = (0, *sample.cuts, sample.frames)
    checks = {
        "name": re.fullmatch(r"[a-z][a-z0-9_]*", sample.name),
        "hard": isinstance(sample.hard, str) and sample.hard.strip(),
        "container": sample.container in CONTAINERS,
        "width": isinstance(sample.width, int) and sample.width > 0,
        "height": isinstance(sample.height, int) and sample.height > 0,
        "frames": isinstance(sample.frames, int) and sample.frames > 0,
        "frame_rate": sample.frame_rate > 0,
        "sample_aspect": sample.sample_aspect > 0,
        "rotation": sample.rotation in ROTATIONS,
        "scan": sample.scan in SCANS,
        "cuts": all(before < after for before, after in pairwise(marks)),
        "fades": all(0 <= start < end <= sample.frames for start, end in sample.fades),
        "video": sample.video and all(isinstance(word, str) for word in sample.video),
    }
    for field, good in checks.items():
        if not good:
            raise ValueError(f"{field} of {sample.name!r}")
    return sample


def _catalog_error(where: Path | str, what: str, why: str) -> SampleError:
    return SampleError(
        2, "The catalog cannot be used", str(where), f"{what} {why}", "See samples/README.md."
    )


def recipe(sample: Sample) -> Recipe:
    """How the file is made. The last step writes `sample.filename` into the working folder.

    Raises SampleError when the graph, or a text or font it draws with, is not there.
    """
    graph = _graph(sample, _part(f"{sample.name}.graph").read_text(encoding="utf-8"))
    names = sorted(set(re.findall(r"\b(?:fontfile|textfile)=([\w.-]+)", graph)))
    inputs = tuple(_font(name) if name.endswith(".ttf") else _part(name) for name in names)

    turned = sample.rotation != 0
    made = f"upright.{sample.container}" if turned else sample.filename
    encode = ["-filter_complex", graph, "-map", "[video]"]
    for index in range(len(sample.audio)):
        encode += ["-map", f"[audio{index}]"]
    encode += ["-c:v", *sample.video[:1], "-flags:v", "+bitexact", *sample.video[1:]]
    for index, track in enumerate(sample.audio):
        encode += [f"-c:a:{index}", track.codec]
        encode += [f"-metadata:s:a:{index}", f"language={track.language}"]
        encode += [f"-disposition:a:{index}", "default" if index == 0 else "0"]
    encode += ["-flags:a", "+bitexact", "-threads", "1", "-frames:v", str(sample.frames)]
    start = ("-nostdin", "-hide_banner", "-v", "error", "-y")
    finish = ("-fflags", "+bitexact", "-map_metadata", "-1")
    steps = [(*start, *_SAME_EVERYWHERE, *encode, *finish, made)]
    if turned:
        # FFmpeg counts counter-clockwise, and can set the matrix of an input only.
        turn = ("-display_rotation:v:0", str(-sample.rotation))
        copy = ("-map", "0", "-c", "copy", "-fflags", "+bitexact", sample.filename)
        steps.append((*start, "-protocol_whitelist", "file", *turn, "-i", made, *copy))
    return Recipe(steps=tuple(steps), inputs=inputs)


def _graph(sample: Sample, text: str) -> str:
    """The graph file without its comments, with the ends that every sample shares."""
    body = "".join(line for line in text.splitlines() if not line.startswith("#"))
    field = "tff" if sample.scan == "tff" else "prog"
    aspect = f"{sample.sample_aspect.numerator}/{sample.sample_aspect.denominator}"
    ends = [
        # Output options for colour would be lost; the frames must carry it.
        f"[picture]scale=out_color_matrix=bt709:out_range=tv,format={sample.pixel_format},"
        f"setsar={aspect},setparams=field_mode={field}:range=tv:color_primaries=bt709:"
        "color_trc=bt709:colorspace=bt709[video]"
    ]
    for index, track in enumerate(sample.audio):
        ends.append(
            f"[sound{index}]atrim=end_sample={sample.audio_samples},"
            f"aformat=sample_rates={SAMPLE_RATE}:channel_layouts={track.layout}[audio{index}]"
        )
    return _SCALER + ";".join([body, *ends])


def _part(name: str) -> Path:
    path = GRAPHS / name
    if not path.is_file():
        raise SampleError(
            2, "A part of a sample is missing", str(path), "there is no such file",
            "Restore it, or correct the catalog or graph that names it.",
        )  # fmt: skip
    return path


def _font(name: str) -> Path:
    """A DejaVu font as matplotlib brings it: the same on every system. Raises SampleError."""
    spec = importlib.util.find_spec("matplotlib")
    if spec is not None and spec.origin is not None:
        font = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / name
        if font.is_file():
            return font
    raise SampleError(
        3, "A font is missing", name, "the samples take their fonts from the package matplotlib",
        "Install the project with `pip install .` and try again.",
    )  # fmt: skip


def find_ffmpeg() -> Path:
    """The FFmpeg to use: `ENCODER_FFMPEG`, else the one of imageio-ffmpeg. Raises SampleError."""
    wanted = os.environ.get("ENCODER_FFMPEG")
    if wanted:
        found = shutil.which(wanted)
        if found is None:
            raise SampleError(
                3, "No FFmpeg", wanted, "ENCODER_FFMPEG names no program that can be run",
                "Correct the variable or unset it.",
            )  # fmt: skip
    else:
        import imageio_ffmpeg

        try:
            found = str(imageio_ffmpeg.get_ffmpeg_exe())
        except RuntimeError as error:
            raise SampleError(
                3, "No FFmpeg", "imageio-ffmpeg", f"it has none for this system ({error})",
                "Set ENCODER_FFMPEG to an FFmpeg of version 7.1 or later.",
            ) from error  # fmt: skip
    return Path(found).absolute()


def _ffmpeg_version(ffmpeg: Path) -> str:
    """Version, build configuration and library versions: two builds of a version may differ."""
    try:
        done = subprocess.run(
            [str(ffmpeg), "-nostdin", "-version"], stdin=subprocess.DEVNULL,
            capture_output=True, check=True, encoding="utf-8", errors="replace",
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError) as error:
        raise SampleError(
            3, "FFmpeg does not run", str(ffmpeg), str(error),
            "Set ENCODER_FFMPEG to one that does.",
        ) from error  # fmt: skip
    return done.stdout


def select(names: Sequence[str]) -> list[Sample]:
    """The named samples, each once, in that order. Raises SampleError for a name not there."""
    catalog = load_catalog()
    for name in names:
        if name not in catalog:
            close = difflib.get_close_matches(name, catalog, n=1)
            hint = f"Did you mean '{close[0]}'?" if close else f"There are: {', '.join(catalog)}."
            raise SampleError(2, "No such sample", name, "it is not in the catalog", hint)
    return [catalog[name] for name in dict.fromkeys(names)]


def generate(
    names: Sequence[str], into: Path = MEDIA, *, say: Say | None = None
) -> dict[str, Path]:
    """Make the named samples in the folder `into` where they are missing or out of date.

    Returns name -> file in the order asked for. `say` is called with a line for each file made.
    Safe to run twice at once: files appear whole. Raises SampleError, and leaves nothing half made.
    """
    wanted = select(names)
    ffmpeg = find_ffmpeg()
    version = _ffmpeg_version(ffmpeg)
    try:
        into.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _output_error(into, error) from error
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        paths = list(pool.map(lambda sample: _make(sample, into, ffmpeg, version, say), wanted))
    return {sample.name: path for sample, path in zip(wanted, paths, strict=True)}


def _make(sample: Sample, into: Path, ffmpeg: Path, version: str, say: Say | None) -> Path:
    how = recipe(sample)
    digest = how.digest(version)
    target = into / sample.filename
    note = into / f"{sample.filename}.json"
    try:
        if _up_to_date(target, note, digest):
            return target
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=f".{sample.name}-", dir=into) as scratch:
            made = _run(sample, how, ffmpeg, Path(scratch))
            facts = {
                "schema": "encoder.sample/1",
                "name": sample.name,
                "recipe": digest,
                "sha256": _sha256(made),
                "ffmpeg": version.splitlines()[0],
            }
            draft = Path(scratch) / "note.json"
            draft.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
            # The note first: between the two steps it describes a file that is not there yet,
            # and so the next run makes it again. The other way round it would call it foreign.
            os.replace(draft, note)
            os.replace(made, target)
    except OSError as error:
        raise _output_error(into, error) from error
    if say is not None:
        say(f"{sample.name}: made in {time.monotonic() - began:.1f} s")
    return target


def _up_to_date(target: Path, note: Path, digest: str) -> bool:
    """Whether `target` is what the recipe would give. Raises SampleError when it is not ours."""
    if not target.exists():
        return False
    try:
        facts = json.loads(note.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        facts = None
    if not isinstance(facts, dict) or facts.get("schema") != "encoder.sample/1":
        raise SampleError(
            2, "A file is in the way", str(target),
            f"no {note.name} beside it says that it was made here",
            "Move it away, or choose another folder with -o.",
        )  # fmt: skip
    return facts.get("recipe") == digest and facts.get("sha256") == _sha256(target)


def _run(sample: Sample, how: Recipe, ffmpeg: Path, scratch: Path) -> Path:
    """Run the steps in `scratch`, where fonts and texts lie too, so that no path needs quoting."""
    for path in how.inputs:
        shutil.copyfile(path, scratch / path.name)
    for step in how.steps:
        done = subprocess.run(
            [str(ffmpeg), *step], cwd=scratch, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, encoding="utf-8", errors="replace", check=False,
        )  # fmt: skip
        if done.returncode != 0:
            # At this log level the first line is the cause; what follows quotes the whole graph.
            cause = (done.stderr.strip().splitlines() or ["it said nothing"])[0][:300]
            raise SampleError(
                5, "FFmpeg failed", f"{sample.name} (exit code {done.returncode})", cause,
                "An FFmpeg before 7.1, or without libx264 or freetype, cannot make the samples: "
                "unset ENCODER_FFMPEG to use the one the project brings.",
            )  # fmt: skip
    return scratch / sample.filename


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _output_error(into: Path, error: OSError) -> SampleError:
    return SampleError(
        3, "The folder cannot be written", str(into), error.strerror or str(error),
        "Choose another with -o.",
    )  # fmt: skip


def describe(sample: Sample) -> dict[str, Any]:
    """The catalog entry as JSON values: fractions as `n/d` strings."""
    facts = asdict(sample)
    for field in ("frame_rate", "sample_aspect"):
        value: Fraction = facts[field]
        facts[field] = f"{value.numerator}/{value.denominator}"
    facts["duration"] = f"{sample.duration.numerator}/{sample.duration.denominator}"
    return facts


def _row(sample: Sample) -> str:
    tracks = ", ".join(f"{track.layout} {track.language}" for track in sample.audio) or "silent"
    size = f"{sample.width}x{sample.height}"
    rate = str(sample.frame_rate)
    seconds = f"{float(sample.duration):.2f} s"
    return f"{sample.name:<10} {size:>9} {rate:>10} {seconds:>7}  {tracks}"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code; results on stdout, progress on stderr."""
    parser = argparse.ArgumentParser(prog="generate.py", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="samples to make (default: all)")
    parser.add_argument("-o", "--output", type=Path, default=MEDIA, metavar="DIR", help="folder")
    parser.add_argument("--list", action="store_true", help="only say what the samples are")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    options = parser.parse_args(arguments)
    try:
        chosen = select(options.names or list(load_catalog()))
        paths: dict[str, Path] = {}
        if not options.list:
            names = [sample.name for sample in chosen]
            paths = generate(names, options.output, say=lambda line: print(line, file=sys.stderr))
    except SampleError as error:
        print(f"generate.py: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    if options.json:
        entries = [describe(s) | ({"path": str(paths[s.name])} if paths else {}) for s in chosen]
        print(json.dumps({"schema": "encoder.samples/1", "samples": entries}, indent=2))
    else:
        for sample in chosen:
            print(paths[sample.name] if paths else _row(sample))
    return 0


if __name__ == "__main__":
    sys.exit(main())
