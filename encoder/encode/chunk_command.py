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

Where only every so many frames are scored, only those of the rendition are scaled and measured, and
only those of the reference and the one on either side of each, which VMAF takes the motion from.

Nothing that is measured has times, up to its end, for which the pictures go to nowhere as well
(``t``): see :data:`encoder.ffmpeg.graph.TIMELESS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from encoder.codecs import codec_named
from encoder.encode.chunks import CONTEXT, Chunk, ChunkRung
from encoder.encode.cut import Cut, input_arguments, source_text
from encoder.encode.keyframes import force_key_frames
from encoder.ffmpeg.graph import TIMELESS, chain_text
from encoder.media.conform import Conform, Filter
from encoder.media.frames import FrameRange
from encoder.media.master import Master
from encoder.score.measure import SCALE_FLAGS

REFERENCE_CHECKSUMS = "reference.crc"
# A scored frame, the one before and the one after it.
_GROUP = 3
_NEAR_SIGHTED = ("vmaf_v0.", "vmaf_4k_v0.")


@dataclass(frozen=True, slots=True)
class Measuring:
    """What is measured in the pass: the VMAF model, and every how many frames it is scored."""

    model: str
    every: int

    @property
    def packed(self) -> bool:
        """Whether the filters get scored frames and their neighbours only.

        The motion of the models of version 0 is the lesser difference of a reference picture to the
        one before and the one after it; what is further away counts for nothing. Newer models look
        further, and are given all frames.
        """
        return self.every > _GROUP and self.model.startswith(_NEAR_SIGHTED)

    @property
    def step(self) -> int:
        """The distance of scored frames among those that the filters get."""
        return _GROUP if self.packed else self.every

    def given(self, seen: FrameRange) -> int:
        """How many frames the filters get of those that are seen; the first is a scored one."""
        if not self.packed:
            return len(seen)
        return sum((n + 1) % self.every < _GROUP for n in range(len(seen)))


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
    labels = [f"[s{n}]" for n in range(count)] + (["[seen]"] if measuring is not None else [])
    chains = [
        f"{source_text(conform, cut)},split={len(labels) + 1}[check]{''.join(labels)}",
        *(f"[s{n}]{_scaled(rung, conform, chunk, cut)}[e{n}]" for n, rung in enumerate(rungs)),
    ]
    if measuring is not None:
        shared = "".join(f"[r{n}]" for n in range(count))
        chains.append(f"[seen]{_reference(conform, measuring)},split={count}{shared}")
    arguments = [*input_arguments(master, conform, cut), "-filter_complex", ";".join(chains)]
    for n, rung in enumerate(rungs):
        arguments += ["-map", f"[e{n}]", *_output(rung, conform, chunk, n)]
    # Listed after the encodes, since FFmpeg's progress is that of the first output.
    arguments += ["-map", "[check]", "-fps_mode", "passthrough"]
    arguments += ["-f", "framecrc", f"file:{REFERENCE_CHECKSUMS}"]
    if measuring is None:
        return arguments
    for n in range(count):
        # One thread is faster than any encoder; more would each hold a picture, on every core.
        arguments += ["-threads", "1", "-dec", f"{n}:0"]
    for n in range(count):
        # A graph of its own for each: in one of all, where the last pictures are not scored, the
        # branches of scores that end before their rendition keep other rungs from being decoded
        # to their end.
        graph = _measured(n, conform, chunk, cut, measuring, vmaf_threads)
        arguments += ["-filter_complex", graph]
        for label in (f"[t{n}]", f"[v{n}]", f"[p{n}]"):
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


def _reference(conform: Conform, measuring: Measuring) -> str:
    """The reference pictures that are measured against, numbered by their timestamps."""
    chosen = Filter("select", (f"lt(mod(n+1,{measuring.every}),{_GROUP})",))
    return chain_text(
        (
            *((chosen,) if measuring.packed else ()),
            Filter("format", (conform.pixel_format,)),
            _signalled(conform),
            *_clock(conform),
        )
    )


def _signalled(conform: Conform) -> Filter:
    colour = conform.colour
    return Filter(
        "setparams",
        options=(
            ("colorspace", colour.matrix),
            ("color_primaries", colour.primaries),
            ("color_trc", colour.transfer),
            ("range", colour.range),
        ),
    )


def _clock(conform: Conform) -> tuple[Filter, ...]:
    """Times that are the number of the frame, in a time base of one frame."""
    rate = conform.frame_rate
    return (
        Filter("settb", (f"{rate.denominator}/{rate.numerator}",)),
        Filter("setpts", ("N",)),
    )


def _measured(
    n: int, conform: Conform, chunk: Chunk, cut: Cut, measuring: Measuring, vmaf_threads: int
) -> str:
    """Graph text: rung ``n`` decoded again, against its reference."""
    size = (str(conform.width), str(conform.height))
    before = chunk.frames.start - cut.frames.start
    after = cut.frames.end - chunk.frames.end
    rendition = chain_text(
        (
            _signalled(conform),
            *(_chosen(conform, before, measuring) if measuring.packed else ()),
            Filter("scale", size, (("flags", SCALE_FLAGS),)),
            *(
                _repeated(conform, measuring.given(cut.frames))
                if measuring.packed
                else (*_clock(conform), *_padded(before, after))
            ),
            Filter("format", (conform.pixel_format,)),
            _signalled(conform),
            *_clock(conform),
            Filter("split", ("2",)),
        )
    )
    vmaf = Filter(
        "libvmaf",
        options=(
            ("model", f"version={measuring.model}"),
            ("log_fmt", "csv"),
            ("log_path", vmaf_name(n)),
            # A pool of one thread does nothing but hold more pictures.
            ("n_threads", str(vmaf_threads if vmaf_threads > 1 else 0)),
            ("n_subsample", str(measuring.step)),
        ),
    )
    printed = Filter("metadata", options=(("mode", "print"), ("file", pictures_name(n))))
    sampled = "null"
    if measuring.step > 1:
        sampled = chain_text([Filter("select", (f"not(mod(n,{measuring.step}))",))])
    kept = ""
    if chunk.coded != chunk.frames:
        last = chunk.lead + len(chunk.frames) - 1
        kept = chain_text([Filter("select", (f"between(n,{chunk.lead},{last})",))]) + ","
    return ";".join(
        (
            f"[dec:{n}]{kept}split=3[k{n}][u{n}][d{n}]",
            f"[u{n}]{TIMELESS}[t{n}]",
            f"[d{n}]{rendition}[x{n}][y{n}]",
            f"[r{n}]split=2[a{n}][q{n}]",
            f"[x{n}][a{n}]{chain_text([vmaf])},{TIMELESS}[v{n}]",
            f"[q{n}]{sampled},split=2[b{n}][c{n}]",
            f"[y{n}]{sampled}[z{n}]",
            f"[z{n}][b{n}]psnr[w{n}]",
            f"[w{n}][c{n}]ssim,{chain_text([printed])},{TIMELESS}[p{n}]",
        )
    )


def _padded(before: int, after: int) -> tuple[Filter, ...]:
    """A rendition as long as its reference: what is seen around the chunk is not of the chunk."""
    ends = (
        ("start", str(before)),
        ("start_mode", "clone"),
        ("stop", str(after)),
        ("stop_mode", "clone"),
    )
    return (Filter("tpad", options=ends),) if before or after else ()


def _chosen(conform: Conform, before: int, measuring: Measuring) -> tuple[Filter, ...]:
    """The scored frames of a rendition, each at the time when its group of the reference starts.

    The first group has no frame before the scored one. The chunk's first frame comes first whether
    it is scored or not, since it stands for those before it.
    """
    every = measuring.every
    # Rounded for the stream's end, which has a time as well.
    start = f"if(PTS,ceil((PTS+{before})/{every})*{_GROUP}-1,0)"
    return (
        *_clock(conform),
        Filter("select", (f"not(n)+not(mod(n+{before},{every}))",)),
        Filter("setpts", (start,)),
    )


def _repeated(conform: Conform, count: int) -> tuple[Filter, ...]:
    """Every frame repeated until the next one's time: as many as the reference has.

    Only the scored one of a group is looked at; VMAF takes motion from the reference.
    """
    rate = f"{conform.frame_rate.numerator}/{conform.frame_rate.denominator}"
    return (
        Filter("fps", (rate,), (("start_time", "0"),)),
        Filter("tpad", options=(("stop", str(count)), ("stop_mode", "clone"))),
        Filter("trim", options=(("end_frame", str(count)),)),
    )
