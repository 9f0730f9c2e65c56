"""The FFmpeg command of a chunk: decode once, encode every rung, measure each as it comes out.

    master -> conform, cut -+-> scale -> encoder 0 -> file          (one for each rung)
                            |               |
                            |          loopback decoder 0 -+-> checksums
                            |                              +-> scale -+
                            +-> reference ----------------------------+-> VMAF, PSNR, SSIM

The pictures that are measured are those that the encoder's own bytes decode to, so that measuring
the joined file again would give the same numbers. VMAF looks at the pictures before and after for
motion: the reference goes on for :data:`encoder.encode.chunks.CONTEXT` pictures on both sides, and
the rendition is padded to match. What is measured there is left out again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from encoder.codecs import codec_named
from encoder.encode.chunks import CONTEXT, Chunk, ChunkRung
from encoder.encode.cut import Cut, input_arguments, source_text
from encoder.encode.keyframes import force_key_frames
from encoder.ffmpeg.graph import chain_text
from encoder.media.conform import Conform, Filter
from encoder.media.frames import FrameRange
from encoder.media.master import Master
from encoder.score.measure import SCALE_FLAGS

REFERENCE_CHECKSUMS = "reference.crc"


@dataclass(frozen=True, slots=True)
class Measuring:
    """What is measured in the pass: the VMAF model, and every how many frames it is scored."""

    model: str
    every: int


def file_name(number: int) -> str:
    """The file that the rung of that number is encoded into."""
    return f"{number}.mp4"


def checksums_name(number: int) -> str:
    """Checksums of the rung's decoded pictures."""
    return f"{number}.crc"


def vmaf_name(number: int) -> str:
    """libvmaf's log."""
    return f"vmaf-{number}.csv"


def pictures_name(number: int) -> str:
    """PSNR and SSIM, as :func:`encoder.score.logs.read_pictures` takes them."""
    return f"pictures-{number}.txt"


def seen_frames(chunk: Chunk, frames: int, measuring: Measuring | None) -> FrameRange:
    """The reference frames that are decoded for a chunk: what is encoded, and the context of what
    is measured.

    They start at a frame that is scored, as the filters count from there.
    """
    if measuring is None:
        return chunk.coded
    start = max(0, min(chunk.coded.start, chunk.frames.start - CONTEXT))
    start -= start % measuring.every
    return FrameRange(start, min(frames, max(chunk.coded.end, chunk.frames.end + CONTEXT)))


def chunk_command(
    master: Master,
    conform: Conform,
    chunk: Chunk,
    cut: Cut,
    rungs: Sequence[ChunkRung],
    measuring: Measuring | None,
    vmaf_threads: int,
) -> list[str]:
    """FFmpeg's arguments, to be run in a folder of their own.

    Args:
        master: the source.
        conform: how its pictures become reference pictures.
        chunk: which of them are encoded.
        cut: those that are decoded, from :func:`seen_frames`.
        rungs: what to encode them to.
        measuring: what to measure; None only encodes.
        vmaf_threads: how many threads libvmaf takes for each rung.
    """
    count = len(rungs)
    references = 0 if measuring is None else 3 * count
    labels = [f"[s{n}]" for n in range(count)] + [f"[r{n}]" for n in range(references)]
    chains = [
        f"{source_text(conform, cut)},split={len(labels) + 1}[check]{''.join(labels)}",
        *(f"[s{n}]{_scaled(rung, conform, chunk, cut)}[e{n}]" for n, rung in enumerate(rungs)),
    ]
    arguments = [*input_arguments(master, conform, cut), "-filter_complex", ";".join(chains)]
    for n, rung in enumerate(rungs):
        arguments += ["-map", f"[e{n}]", *_output(rung, conform, chunk, n)]
    # Listed after the encodes, since FFmpeg's progress is that of the first output.
    arguments += ["-map", "[check]", "-fps_mode", "passthrough"]
    arguments += ["-f", "framecrc", f"file:{REFERENCE_CHECKSUMS}"]
    if measuring is None:
        return arguments
    for n in range(count):
        arguments += ["-dec", f"{n}:0"]
    measured = [_measured(n, conform, chunk, cut, measuring, vmaf_threads) for n in range(count)]
    arguments += ["-filter_complex", ";".join(measured)]
    for n in range(count):
        for label in (f"[v{n}]", f"[p{n}]"):
            arguments += ["-map", label, "-fps_mode", "passthrough", "-f", "null", "-"]
        arguments += ["-map", f"[k{n}]", "-fps_mode", "passthrough"]
        arguments += ["-f", "framecrc", f"file:{checksums_name(n)}"]
    return arguments


def _scaled(rung: ChunkRung, conform: Conform, chunk: Chunk, cut: Cut) -> str:
    filters: list[Filter] = []
    if cut.frames != chunk.coded:
        start = chunk.coded.start - cut.frames.start
        ends = (("start_pts", str(start)), ("end_pts", str(start + len(chunk.coded))))
        filters += [Filter("trim", options=ends), Filter("setpts", (f"PTS-{start}",))]
    width, height = rung.settings.width, rung.settings.height
    if (width, height) != (conform.width, conform.height):
        flags = ("flags", "lanczos+accurate_rnd")
        filters.append(Filter("scale", (str(width), str(height)), (flags,)))
        # The scaler keeps the aspect of the whole by changing that of a sample, where sizes
        # rounded to even numbers are not quite in proportion.
        filters.append(Filter("setsar", ("1",)))
    return chain_text(filters or [Filter("null")])


def _output(rung: ChunkRung, conform: Conform, chunk: Chunk, number: int) -> list[str]:
    codec = codec_named(rung.codec)
    arguments: list[str] = []
    for key, value in codec.options(rung.settings).items():
        arguments += [f"-{key}", str(value)]
    if codec.joining_filter is not None:
        arguments += ["-bsf:v", codec.joining_filter]
    forced = force_key_frames(chunk.coded_keyframes, conform.frame_rate)
    return [
        *arguments,
        *("-force_key_frames", forced, "-fps_mode", "passthrough", "-map_metadata", "-1"),
        # One tick of the track is a fraction of a frame, so that times are exact.
        *("-fflags", "+bitexact", "-video_track_timescale", str(conform.frame_rate.numerator)),
        *("-f", "mp4", f"file:{file_name(number)}"),
    ]


def _measured(
    n: int, conform: Conform, chunk: Chunk, cut: Cut, measuring: Measuring, vmaf_threads: int
) -> str:
    """Graph text: rung ``n`` decoded again, against its three references."""
    colour = conform.colour
    signalled = Filter(
        "setparams",
        options=(
            ("colorspace", colour.matrix),
            ("color_primaries", colour.primaries),
            ("color_trc", colour.transfer),
            ("range", colour.range),
        ),
    )
    clock = (
        Filter("settb", (f"{conform.frame_rate.denominator}/{conform.frame_rate.numerator}",)),
        Filter("setpts", ("N",)),
    )
    before = chunk.frames.start - cut.frames.start
    after = cut.frames.end - chunk.frames.end
    padded = Filter(
        "tpad",
        options=(
            ("start", str(before)),
            ("start_mode", "clone"),
            ("stop", str(after)),
            ("stop_mode", "clone"),
        ),
    )
    size = (str(conform.width), str(conform.height))
    rendition = chain_text(
        (
            signalled,
            Filter("scale", size, (("flags", SCALE_FLAGS),)),
            *clock,
            *((padded,) if before or after else ()),
            Filter("format", (conform.pixel_format,)),
            signalled,
            *clock,
            Filter("split", ("2",)),
        )
    )
    reference = chain_text((Filter("format", (conform.pixel_format,)), signalled, *clock))
    vmaf = Filter(
        "libvmaf",
        options=(
            ("model", f"version={measuring.model}"),
            ("log_fmt", "csv"),
            ("log_path", vmaf_name(n)),
            ("n_threads", str(vmaf_threads)),
            ("n_subsample", str(measuring.every)),
        ),
    )
    printed = Filter("metadata", options=(("mode", "print"), ("file", pictures_name(n))))
    sampled = ""
    if measuring.every > 1:
        sampled = chain_text([Filter("select", (f"not(mod(n,{measuring.every}))",))])
    kept = ""
    if chunk.coded != chunk.frames:
        last = chunk.lead + len(chunk.frames) - 1
        kept = chain_text([Filter("select", (f"between(n,{chunk.lead},{last})",))]) + ","
    one, two, three = (3 * n + i for i in range(3))
    comma = "," if sampled else ""
    return ";".join(
        (
            f"[dec:{n}]{kept}split=2[k{n}][d{n}]",
            f"[d{n}]{rendition}[x{n}][y{n}]",
            f"[r{one}]{reference}[a{n}]",
            f"[x{n}][a{n}]{chain_text([vmaf])}[v{n}]",
            f"[r{two}]{reference}{comma}{sampled}[b{n}]",
            f"[r{three}]{reference}{comma}{sampled}[c{n}]",
            f"[y{n}]{sampled or 'null'}[z{n}]",
            f"[z{n}][b{n}]psnr[w{n}]",
            f"[w{n}][c{n}]ssim,{chain_text([printed])}[p{n}]",
        )
    )
