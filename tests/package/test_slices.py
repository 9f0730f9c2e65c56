"""Headers of slices end where FFmpeg reads their end, whatever encoders write into them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from encoder.ffmpeg.locate import Ffmpeg
from encoder.package import avc_slices, hevc_sets, hevc_slices
from encoder.package.avc_slices import AvcSlices
from encoder.package.cursor import Damaged
from encoder.package.hevc_slices import HevcSlices
from encoder.package.nal_bits import Bits

from .media import output

SOURCE = "testsrc2=s=320x192:r=25:d=1.2,fade=in:0:20"


# What x264 can write that makes headers of slices differ: references reordered and weighted,
# interlaced, CAVLC, several slices.
@pytest.mark.parametrize(
    "options",
    [
        "ref=4:bframes=3:weightp=2:b-pyramid=normal",
        "cabac=0:weightp=2:slices=3:ref=2",
        "tff=1:ref=3:bframes=2:weightb=1",
        "bframes=0:keyint=8:no-deblock=1:aud=1",
    ],
)
def test_headers_of_h264(ffmpeg: Ffmpeg, tmp_path: Path, options: str) -> None:
    encoder = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-x264-params", options]
    units, ends = _made(ffmpeg, tmp_path, encoder, "h264")
    record = _record(tmp_path / "slices.mp4", b"avcC")
    slices = AvcSlices(record)
    found = [slices.clear(unit) for unit in units]
    assert [end for end, unit in zip(found, units, strict=True) if unit[0] & 31 in (1, 5)] == ends
    assert all(end == len(unit) for end, unit in zip(found, units, strict=True) if unit[0] & 31 > 5)


# The same of x265: pyramids of B pictures, weights, slices with an entry point a row of blocks,
# sets of reference pictures in slices, chroma in its other forms, parameter sets in samples.
@pytest.mark.parametrize(
    ("pixels", "options"),
    [
        ("yuv420p", "bframes=4:b-adapt=2:b-pyramid=1:ref=5:weightb=1"),
        ("yuv420p10le", "slices=3:ctu=16:bframes=2"),
        ("yuv444p", "no-deblock=1:no-sao=1:cbqpoffs=3:crqpoffs=-2"),
        ("yuv420p", "ref=6:bframes=8:opt-ref-list-length-pps=1:multi-pass-opt-rps=1:open-gop=1"),
        ("yuv422p10le", "repeat-headers=1:aud=1:scaling-list=default:temporal-layers=3:tskip=1"),
    ],
)
def test_headers_of_hevc(ffmpeg: Ffmpeg, tmp_path: Path, pixels: str, options: str) -> None:
    encoder = ["-c:v", "libx265", "-preset", "fast", "-pix_fmt", pixels]
    encoder += ["-x265-params", f"log-level=none:pools=2:keyint=20:{options}", "-tag:v", "hvc1"]
    units, ends = _made(ffmpeg, tmp_path, encoder, "hevc")
    slices = HevcSlices(_record(tmp_path / "slices.mp4", b"hvcC"))
    found = [slices.clear(unit) for unit in units]
    assert [end for end, unit in zip(found, units, strict=True) if unit[0] >> 1 < 32] == ends
    assert all(
        end == len(unit) for end, unit in zip(found, units, strict=True) if unit[0] >> 1 > 31
    )


def _made(
    ffmpeg: Ffmpeg, folder: Path, encoder: Sequence[str], name: str
) -> tuple[list[bytes], list[int]]:
    """The NAL units of an encode, and where FFmpeg reads that headers of slices end in them."""
    path, raw = folder / "slices.mp4", folder / f"slices.{name}"
    arguments = ["-f", "lavfi", "-i", SOURCE, *encoder]
    output(ffmpeg, [*arguments, "-movflags", "+frag_keyframe+empty_moov", f"file:{path}"])
    convert = ["-i", f"file:{path}", "-c", "copy", "-bsf:v", f"{name}_mp4toannexb", "-f", name]
    output(ffmpeg, [*convert, f"file:{raw}"])
    units = re.split(rb"\x00\x00\x00?\x01", raw.read_bytes())[1:]
    kinds = [unit[0] >> 1 < 32 if name == "hevc" else unit[0] & 31 in (1, 5) for unit in units]
    return units, _traced(ffmpeg, raw, sum(kinds))


def _record(path: Path, kind: bytes) -> bytes:
    data = path.read_bytes()
    at = data.index(kind)
    return data[at + 4 : at - 4 + int.from_bytes(data[at - 4 : at])]


def _traced(ffmpeg: Ffmpeg, raw: Path, count: int) -> list[int]:
    """The ends of the headers of slices in whole bytes, by FFmpeg's own reading of them."""
    arguments = [str(ffmpeg.path), "-hide_banner", "-i", f"file:{raw}", "-c", "copy"]
    arguments += ["-bsf:v", "trace_headers", "-f", "null", "-"]
    done = subprocess.run(
        arguments, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL
    )
    ends: list[int] = []
    slice_ = False
    for line in done.stderr.splitlines():
        text = line.partition("] ")[2]
        if field := re.fullmatch(r"(\d+) +(\S+) +([01]*) = .*", text):
            if slice_ and field[2] != "cabac_alignment_one_bit":
                ends[-1] = (int(field[1]) + len(field[3]) + 7) // 8
        else:
            slice_ = text in ("Slice Header", "Slice Segment Header")
            if slice_:
                ends.append(0)
    assert len(ends) >= count > 0
    return ends[-count:]


def test_bytes_that_prevent_start_codes_count_as_header() -> None:
    sequence = avc_slices.Sequence(False, True, 16, 0, 16, False, True)
    picture = avc_slices.Picture(0, True, False, (1, 1), False, 0, False, False)
    known = avc_slices.Parameters({0: sequence}, {0: picture})
    # first_mb 0, slice_type 7, set 0, then frame_num and the order's 16 bits each, all zeros, and
    # slice_qp_delta 0: 42 bits, which a byte of 3 divides.
    unit = bytes.fromhex("01888000000300407f7f7f")
    assert avc_slices.header_bytes(unit, known) == 8
    with pytest.raises(Damaged, match="ends within"):
        avc_slices.header_bytes(unit[:7], known)
    with pytest.raises(Damaged, match="does not have"):
        avc_slices.header_bytes(unit, avc_slices.Parameters({}, {}))


def ue(value: int) -> str:
    text = f"{value + 1:b}"
    return "0" * (len(text) - 1) + text


def nal(kind: int, *fields: str, layer: int = 0) -> bytes:
    """A NAL unit of HEVC from the bits behind its header, filled up with zeros."""
    bits = "".join(fields)
    bits += "0" * (-len(bits) % 8)
    data = int(bits, 2).to_bytes(len(bits) // 8)
    return bytes([kind << 1 | layer >> 5, (layer & 31) << 3 | 1]) + data


# What no encoder at hand writes: tiles, dependent slices, long-term pictures, reordered lists,
# chroma offsets by block, bits and bytes for extensions. 5 x 3 blocks of 64, order of 8 bits.
SEQUENCE = hevc_sets.Sequence(
    separate_planes=False,
    chroma=True,
    address=4,
    order=8,
    sample_adaptive=True,
    sets=((((-1, True), (-3, True)), ((2, False),)), (((-1, True),), ())),
    long_used=(True, False, True),
    motion_vectors=True,
)
PICTURE = hevc_sets.Picture(
    sequence=0,
    dependent=True,
    output=True,
    extra_bits=2,
    cabac_init=True,
    references=(3, 2),
    chroma_offsets=True,
    weighted=True,
    weighted_both=True,
    entry_points=True,
    across_slices=True,
    deblocking_override=True,
    deblocking_off=False,
    lists_modified=True,
    extended=True,
    chroma_lists=True,
)
KNOWN = hevc_sets.Parameters({0: SEQUENCE}, {0: PICTURE})
START = ("0", ue(0))  # Not the first of the picture; set 0.
# Two entry points of 9 bits, and an extension of a byte.
END = (ue(2), ue(8), "1" * 18, ue(1), "10101010")


def _ended(*fields: str) -> tuple[bytes, int]:
    """A slice's unit and the length of its header: alignment behind the fields, then data."""
    bits = len("".join(fields)) + 1
    return nal(1, *fields, "1", "0" * (-bits % 8), "01" * 40), 2 + -(-bits // 8)


# By the rows of 7.3.6.1: what is said of the picture, of its references, and behind them.
HEADERS = {
    "dependent": [["1", "0111"]],
    # The set of pictures that the sequence has at 0.
    "I": [
        ["0", "0111", "00", ue(2), "1", "00000001", "1", "0", ue(0), ue(0), "0", "11"],
        [ue(0), ue(0), ue(0), "1", "0", "1"],
    ],
    # A set of its own that is derived, of a picture that is referred to and one that is not; a
    # long-term picture of the sequence and one of its own; both lists reordered.
    "B": [
        ["0", "0111", "11", ue(0), "1", "00000001", "0", "1", ue(0), "1", ue(0), "1", "01"],
        [ue(1), ue(1), "10", "1", ue(3), "00000111", "1", "0", "1", "11"],
        ["1", ue(1), ue(1), "1", "1011", "1", "0111", "1", "0", "0", ue(1)],
        [ue(3), ue(0), "10", "00", ue(1), ue(1), "00", "01", ue(2), ue(2), ue(2), ue(2)],
        [ue(2), ue(5), ue(1), ue(2), "1", "1", "1", "1"],
    ],
    # The second set: of one picture, so that no list is reordered.
    "P": [
        ["0", "0111", "00", ue(1), "0", "00000001", "1", "1", ue(0), ue(0), "1", "00"],
        ["0", "0", ue(2), ue(0), ue(0), "000", "000", ue(2)],
        [ue(5), ue(1), ue(2), "0", "1", "0", ue(1), ue(1), "0"],
    ],
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_of_hevc_by_the_letter(name: str) -> None:
    unit, end = _ended(*START, *[field for row in HEADERS[name] for field in row], *END)
    assert hevc_slices.header_bytes(unit, KNOWN) == end
    with pytest.raises(Damaged):
        hevc_slices.header_bytes(unit[: end - 2], KNOWN)


def test_the_header_of_an_idr_picture_in_separate_planes() -> None:
    planes = replace(SEQUENCE, separate_planes=True, chroma=False)
    fields = ["0", "1", ue(0), "0", "0111", "00", ue(2), "1", "10", "1"]
    fields += [ue(0), ue(0), ue(0), "1", "0", "1", *END]
    unit, end = _ended(*fields)
    idr = bytes([19 << 1]) + unit[1:]
    known = hevc_sets.Parameters({0: planes}, {0: PICTURE})
    assert hevc_slices.header_bytes(idr, known) == end


def test_a_header_that_was_not_understood_is_told() -> None:
    unit, end = _ended(*START, "1", "0111", *END)
    at = end - 1
    wrong = unit[:at] + bytes([unit[at] | 1]) + unit[end:]
    with pytest.raises(Damaged, match="does not end where it should"):
        hevc_slices.header_bytes(wrong, KNOWN)


def test_a_long_header_is_read_to_its_end() -> None:
    many = (ue(2000), ue(15), "10" * 16000, ue(0))
    unit, end = _ended(*START, "1", "0111", *many)
    assert hevc_slices.header_bytes(unit, KNOWN) == end > 4000


def test_sets_of_pictures_are_derived_from_others() -> None:
    of = (((-1, True), (-2, True)), ((1, False),))

    def derived(*fields: str) -> hevc_sets.Set:
        bits = Bits(nal(1, *fields), 2)
        return hevc_sets.reference_set(bits, [of], 2)

    # One picture earlier: what was one later is the picture itself, and in no set any more.
    back = derived("1", "1", ue(0), "1", "1", "1", "1")
    assert back == (((-1, True), (-2, True), (-3, True)), ())
    # One later; of it the second is left out, and the picture itself is kept but not used.
    on = derived("1", "0", ue(0), "1", "00", "1", "01")
    assert on == ((), ((1, False), (2, True)))


# 320x192 in blocks of 64, with every branch.
SEQUENCE_SET = [
    ["0000", "001", "1", "00", "0", "00001", "0" * 32, "0" * 56, "11", "0" * 14, "0" * 96],
    [ue(0), ue(1), ue(320), ue(192), "1", *[ue(0)] * 4, ue(0), ue(0), ue(4), "1", *[ue(1)] * 6],
    [ue(0), ue(3), *[ue(0)] * 4],
    # Lists of scaling: twenty, the last of them in numbers.
    ["1", "1", *["0" + ue(0)] * 19, "1", *[ue(0)] * 65],
    # PCM; two sets of pictures, the second derived; long-term pictures.
    ["0", "1", "1", "00000000", ue(0), ue(0), "0"],
    [ue(2), ue(1), ue(0), ue(0), "1", "1", "1", ue(0), "1", "1"],
    ["1", ue(1), "00000000", "1", "1", "0", "0", "0"],
]
PICTURE_SET = [
    [ue(0), ue(0), "1", "1", "010", "0", "1", ue(2), ue(1), ue(0), "0", "1", "1", ue(1)],
    [ue(0), ue(0), "1", "1", "1", "0", "1", "0"],
    # Tiles of sizes that are said.
    [ue(1), ue(1), "0", ue(1), ue(0), "1"],
    ["1", "1", "1", "0", ue(0), ue(0), "0", "1", ue(0), "1"],
    # The extension for ranges.
    ["1", "1000", "0000", ue(0), "0", "1"],
]


def test_parameter_sets_by_the_letter() -> None:
    sequence = nal(33, *[field for row in SEQUENCE_SET for field in row])
    picture = nal(34, *[field for row in PICTURE_SET for field in row])
    known = hevc_sets.Parameters({}, {})
    for unit in (sequence, picture):
        known = hevc_sets.learn(unit, known)
    assert known.pictures == {0: PICTURE}
    first = known.sequences[0]
    assert (first.address, first.order, first.sample_adaptive) == (4, 8, True)
    assert first.sets == ((((-1, True),), ()), (((-1, True), (-2, True)), ()))
    assert (first.long_used, first.motion_vectors, first.chroma) == ((True,), True, True)


SLICE = _ended(*START, *HEADERS["dependent"][0], *END)[0]


@pytest.mark.parametrize(
    ("unit", "why"),
    [
        (SLICE[:1] + b"\x09" + SLICE[2:], "several layers"),
        (SLICE[:1], "cut short"),
        (SLICE, "does not have"),
        (nal(34, ue(0), ue(0), "0" * 7, ue(99)), "99 references, of 14"),
        (nal(33, "0000", "000", "1", "00", "0", "01001", "0" * 120), "screen content"),
        (nal(33, "0000", "111", "1", "00", "0", "00001", "0" * 120), "sub-layers"),
    ],
    ids=["layers", "short", "unknown", "references", "screen", "sub-layers"],
)
def test_what_is_not_encrypted_of_hevc_is_told(unit: bytes, why: str) -> None:
    with pytest.raises(Damaged, match=why):
        HevcSlices(bytes(23)).clear(unit)
