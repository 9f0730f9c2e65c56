"""Closed captions in the packets of a video become cues, without decoding it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest

from encoder.ffmpeg.locate import locate
from encoder.ffmpeg.process import run, stream
from encoder.media.master import Master
from encoder.probe.conform import decide_conform
from encoder.probe.probe import probe
from encoder.text.captions import has_captions, read_captions

RATE = Fraction(30000, 1001)
PADDING = b"\x80\x80"
# Where what is to be shown begins to come, in frames; codes come twice, and are heard at their end.
FIRST, SECOND, ERASED = 10, 60, 100


def odd(*codes: int) -> bytes:
    """Bytes with odd parity."""
    return bytes(code | (0 if code.bit_count() % 2 else 0x80) for code in codes)


def pop_on(text: str) -> list[bytes]:
    """Load a caption into memory, on the last row, and show it (CEA-608 C.1)."""
    padded = text + "\0" * (len(text) % 2)
    letters = [odd(ord(padded[at]), ord(padded[at + 1])) for at in range(0, len(padded), 2)]
    load = [odd(0x14, code) for code in (0x20, 0x2E, 0x70) for _ in range(2)]
    return [*load, *letters, odd(0x14, 0x2F), odd(0x14, 0x2F)]


def said() -> dict[int, bytes]:
    """The pair of bytes of each frame that has one."""
    erase = [odd(0x14, 0x2C)] * 2
    parts = {FIRST: pop_on("Hello there"), SECOND: pop_on("[MUSIC]"), ERASED: erase}
    return {at + n: pair for at, pairs in parts.items() for n, pair in enumerate(pairs)}


def user_data(pair: bytes) -> bytes:
    """A pair of the first field, and padding of the second (ATSC A/53 part 4, table 6.9)."""
    return b"GA94\x03" + bytes([0x42, 0xFF, 0xFC]) + pair + b"\xf9\x80\x80\xff"


def in_h264(packet: bytes, pair: bytes) -> bytes:
    """An SEI message in front of a picture, in a sample with lengths."""
    message = b"\xb5\x00\x31" + user_data(pair)
    payload = bytes([4, len(message)]) + message + b"\x80"
    # Bytes that prevent start codes: none is in it but where zeros are said.
    payload = payload.replace(b"\0\0\0", b"\0\0\3\0")
    return (1 + len(payload)).to_bytes(4) + b"\x06" + payload + packet


def in_mpeg2(packet: bytes, pair: bytes) -> bytes:
    """User data in front of a picture's first slice."""
    at = packet.index(b"\0\0\1\1")
    return packet[:at] + b"\0\0\1\xb2" + user_data(pair) + packet[at:]


def captioned(
    folder: Path, name: str, options: list[str], put: Callable[[bytes, bytes], bytes]
) -> Master:
    """A clip of four seconds with captions."""
    plain, made = folder / f"plain-{name}", folder / name
    source = ["-f", "lavfi", "-i", f"testsrc2=s=64x64:r={RATE}:d=4", "-pix_fmt", "yuv420p"]
    run(locate(), [*source, *options, f"file:{plain}"])
    pairs = said()
    with av.open(str(plain)) as old, av.open(str(made), "w") as new:
        video = old.streams.video[0]
        target = new.add_stream_from_template(video)
        packets = [one for one in old.demux(video) if one.pts is not None]
        order = {time: number for number, time in enumerate(sorted(p.pts or 0 for p in packets))}
        for one in packets:
            pair = pairs.get(order[one.pts or 0], PADDING)
            packet = av.Packet(put(bytes(one), pair))
            packet.pts, packet.dts, packet.time_base = one.pts, one.dts, one.time_base
            packet.duration, packet.is_keyframe = one.duration, one.is_keyframe
            packet.stream = target
            new.mux(packet)
    return probe(made, locate())


def in_av1(packet: bytes, pair: bytes) -> bytes:
    """A metadata OBU in front of a picture, behind the delimiter and the sequence's header (AV1
    5.8.2)."""
    # The type of the metadata, ITU-T T.35; behind it the bit that ends an OBU.
    payload = b"\x04\xb5\x00\x31" + user_data(pair) + b"\x80"
    at = 0
    while packet[at] >> 3 & 15 in (1, 2):
        assert packet[at] & 2
        assert packet[at + 1] < 0x80
        at += 2 + packet[at + 1]
    return packet[:at] + bytes([5 << 3 | 2, len(payload)]) + payload + packet[at:]


def captioned_av1(folder: Path) -> Master:
    """The same in AV1, whose packets are changed in a file of nothing but packets (IVF)."""
    plain, changed, made = (folder / name for name in ("plain.ivf", "changed.ivf", "av1.mp4"))
    source = ["-f", "lavfi", "-i", f"testsrc2=s=64x64:r={RATE}:d=4", "-pix_fmt", "yuv420p"]
    run(locate(), [*source, "-c:v", "libsvtav1", "-preset", "12", f"file:{plain}"])
    data, pairs = plain.read_bytes(), said()
    new, at = [data[:32]], 32
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        # In the order of presentation, one picture each.
        packet = in_av1(data[at + 12 : at + 12 + size], pairs.get(len(new) - 1, PADDING))
        new.append(len(packet).to_bytes(4, "little") + data[at + 4 : at + 12] + packet)
        at += 12 + size
    changed.write_bytes(b"".join(new))
    run(locate(), ["-i", f"file:{changed}", "-c", "copy", f"file:{made}"])
    return probe(made, locate())


X264 = ["-c:v", "libx264", "-preset", "veryfast", "-bf", "3"]
MPEG2 = ["-c:v", "mpeg2video", "-bf", "2", "-f", "mpegts"]


MADE: dict[str, Callable[[Path], Master]] = {
    "h264": lambda folder: captioned(folder, "clip.mp4", X264, in_h264),
    "mpeg2": lambda folder: captioned(folder, "clip.ts", MPEG2, in_mpeg2),
    "av1": captioned_av1,
}


@pytest.mark.parametrize("codec", MADE)
def test_captions_are_shown_when_their_codes_have_come(tmp_path: Path, codec: str) -> None:
    master = MADE[codec](tmp_path)
    assert has_captions(master)
    conform = decide_conform(master)
    found = read_captions(master, conform.audio_offset)
    assert found is not None
    texts = [one.text for one in found.cues]
    assert texts == ["<c.bg_black>Hello there</c>", "<c.bg_black>[MUSIC]</c>"]
    # Behind six codes and the letters, two to a frame; until the next, or until it is erased.
    shown = [FIRST + 6 + 6, SECOND + 6 + 4, ERASED]
    times = [(cue.start, cue.end) for cue in found.cues]
    for (start, end), first, stop in zip(times, shown, shown[1:], strict=False):
        assert abs(start - first / RATE) <= 1 / RATE
        assert abs(end - stop / RATE) <= 1 / RATE


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("hevc.mp4", ["-c:v", "libx265", "-preset", "ultrafast", "-a53cc", "1"]),
        ("mpeg2.ts", ["-c:v", "mpeg2video", "-a53cc", "1"]),
        ("h264.mkv", ["-c:v", "libx264", "-a53cc", "1"]),
    ],
    ids=["hevc", "mpeg2", "h264"],
)
def test_captions_that_an_encoder_wrote_are_the_same(
    tmp_path: Path, name: str, options: list[str]
) -> None:
    old = captioned(tmp_path, "clip.mp4", X264, in_h264)
    # Times as they are: they are what is compared. x265 would print its settings.
    quiet = ["-x265-params", "log-level=none"] if "libx265" in options else []
    made = tmp_path / name
    run(locate(), ["-i", f"file:{old.path}", *options, *quiet, f"file:{made}"])
    new = probe(made, locate())
    assert new.video.codec == made.stem.replace("mpeg2", "mpeg2video")
    assert has_captions(new)
    found = [read_captions(one, decide_conform(one).audio_offset) for one in (old, new)]
    cues = [() if one is None else one.cues for one in found]
    assert [one.text for one in cues[0]] == [one.text for one in cues[1]]
    assert len(cues[0]) == 2
    for one, other in zip(*cues, strict=True):
        assert abs(one.start - other.start) <= 1 / RATE
        assert abs(one.end - other.end) <= 1 / RATE


@pytest.mark.parametrize("codec", ["h264", "av1"])
def test_ffmpeg_shows_them_alike(tmp_path: Path, codec: str) -> None:
    master = MADE[codec](tmp_path)
    # The name is this test's own: a master's would have to be escaped twice.
    arguments = ["-f", "lavfi", "-i", f"movie={master.path}[out+subcc]", "-map", "0:s"]
    with stream(locate(), [*arguments, "-f", "srt", "pipe:1"]) as running:
        text = running.stdout.read().decode()
        running.finish()
    found = read_captions(master, Fraction(0))
    assert found is not None
    lines = [line for line in text.splitlines() if "-->" in line]
    assert len(lines) == len(found.cues) == 2
    for line, cue in zip(lines, found.cues, strict=True):
        for words, time in zip(line.split(" --> "), (cue.start, cue.end), strict=True):
            seconds = float(words[-6:].replace(",", "."))
            assert abs(seconds - float(time)) < 1 / RATE


def test_padding_is_no_track_and_nonsense_is_told(tmp_path: Path) -> None:
    padded = captioned(tmp_path, "padded.mp4", X264, lambda one, _: in_h264(one, PADDING))
    assert has_captions(padded)
    found = read_captions(padded, Fraction(0))
    assert found is not None
    assert found.cues == ()
    # Half of a caption, and bytes of wrong parity.
    broken = captioned(
        *(tmp_path, "broken.mp4", X264), lambda one, pair: in_h264(one, bytes([pair[0], 0x55]))
    )
    odd_one = read_captions(broken, Fraction(0))
    assert odd_one is None or all(cue.end > cue.start for cue in odd_one.cues)
    plain = probe(tmp_path / "plain-broken.mp4", locate())
    assert not has_captions(plain)
