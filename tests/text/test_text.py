"""Subtitles of every kind become cues of the right times and text, or are refused by line."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoder.errors import MasterError
from encoder.ffmpeg.locate import locate
from encoder.ffmpeg.process import run
from encoder.probe.conform import decide_conform
from encoder.probe.probe import probe
from encoder.text.embedded import read_embedded
from encoder.text.markup import from_ass, from_mov_text, from_srt
from encoder.text.sidecar import Sidecar, read_sidecar
from encoder.text.tracks import label, roles
from encoder.text.webvtt import Cue, MalformedError, Subtitles, parse, render, within

SRT = "1\n00:00:00,500 --> 00:00:02,000\nOne & <i>two</i>\n\n2\n00:00:03,000 --> 0:00:04,250\nÄ\n"
VTT = "WEBVTT\n\nNOTE no cue\n\nSTYLE\n::cue {color: red}\n\n00:01.000 --> 00:02.000 line:0\nx\n"
ASS = (
    "[Script Info]\nScriptType: v4.00+\n\n[Events]\n"
    "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
    "Dialogue: 0,0:00:01.00,0:00:02.50,Default,,0,0,0,,{\\an8\\b1}Up{\\b0}, here\n"
)
TTML = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<tt xmlns="http://www.w3.org/ns/ttml" xml:lang="en">'
    '<body><div><p begin="1s" end="2.5s">Hello<br/>there</p></div></body></tt>'
)
SCC = "Scenarist_SCC V1.0\n\n00:00:01:00\t9420 9420 9470 9470 c8e9 942f 942f\n\n00:00:02:00\t942c\n"


def read(
    tmp_path: Path, content: str | bytes, language: str = "en"
) -> tuple[str, Subtitles, list[str]]:
    path = tmp_path / "a file: with = and 'quotes'.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    said: list[str] = []
    origin, found = read_sidecar(Sidecar(path, language), said.append)
    return origin, found, said


def times(found: Subtitles) -> list[tuple[float, float]]:
    return [(float(one.start), float(one.end)) for one in found.cues]


@pytest.mark.parametrize(
    ("content", "origin", "cues"),
    [
        (SRT, "subrip", [(0.5, 2.0), (3.0, 4.25)]),
        (VTT, "webvtt", [(1.0, 2.0)]),
        (ASS, "ass", [(1.0, 2.5)]),
        (TTML, "ttml", [(1.0, 2.5)]),
    ],
)
def test_formats(
    tmp_path: Path, content: str, origin: str, cues: list[tuple[float, float]]
) -> None:
    kind, found, said = read(tmp_path, content)
    assert (kind, times(found), said) == (origin, cues, [])


def test_what_is_written_in_them(tmp_path: Path) -> None:
    assert [one.text for one in read(tmp_path, SRT)[1].cues] == ["One &amp; <i>two</i>", "Ä"]
    assert read(tmp_path, TTML)[1].cues[0].text == "Hello\nthere"
    (up,) = read(tmp_path, ASS)[1].cues
    assert (up.text, up.settings) == ("<b>Up</b>, here", "line:0")
    found = read(tmp_path, VTT)[1]
    assert (found.cues[0].settings, found.blocks) == ("line:0", ("STYLE\n::cue {color: red}",))
    kind, captions, _ = read(tmp_path, SCC)
    assert (kind, [one.text for one in captions.cues]) == ("scc", ["<c.bg_black>Hi</c>"])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    _, found, said = read(tmp_path, SRT.replace("\n", "\r\n").encode(encoding))
    assert (found.cues[1].text, said) == ("Ä", [])


def test_windows_1252_is_assumed_of_western_languages_alone(tmp_path: Path) -> None:
    _, found, said = read(tmp_path, SRT.encode("cp1252"))
    assert found.cues[1].text == "Ä"
    assert "line 7 is not UTF-8; Windows-1252 is assumed" in said[0]
    with pytest.raises(MasterError, match=r"line 7\. it is not utf-8"):
        read(tmp_path, SRT.encode("cp1252"), "ru")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("", 1),
        ("\n\nnothing of the kind", 3),
        (SRT + "\nloose text\n", 9),
        (SRT.replace("00:00:02,000", "00:00:00,100"), 2),
        (SRT.replace(" --> 0:00:04,250", ""), 6),
        (VTT.replace("00:02.000", "00:00.000"), 8),
        ("WEBVTT\n\nno time\n", 3),
        (TTML.replace("<tt ", "<!DOCTYPE tt [<!ENTITY a 'b'>]>\n<tt "), 2),
        (TTML.replace("</p>", "</q>"), 2),
        (b"\0\x01\x02", 1),
    ],
)
def test_malformed_files_are_refused_by_line(
    tmp_path: Path, content: str | bytes, line: int
) -> None:
    with pytest.raises(MasterError, match=rf"quotes'\.txt, line {line}\b"):
        read(tmp_path, content)


def test_files_that_are_too_large_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "film.srt"
    with path.open("wb") as file:
        file.truncate((16 << 20) + 1)
    with pytest.raises(MasterError, match="too large"):
        read_sidecar(Sidecar(path, "en"), lambda _: None)


def test_markup() -> None:
    assert from_srt("<font color=red>a</font> <B>b</b> 1 < 2 <x>") == (
        "a <b>b</b> 1 &lt; 2 &lt;x&gt;",
        "",
    )
    assert from_ass(r"{\i1}a\N\Nb{\r} c{\p1}m 0 0 l 1 1{\p0}\hd") == ("<i>a\nb</i> c\u00a0d", "")
    assert from_ass(r"{\pos(1,2)\blur3}a")[0] == "a"
    assert [from_ass(rf"{{\an{n}}}a")[1] for n in ("8", "", "0", "15")] == ["line:0", "", "", ""]
    # As FFmpeg writes a brace and a backslash that are no markup.
    assert from_ass("\\{{}b} C:\\\u2060Notes")[0] == "{b} C:\\Notes"


@pytest.mark.parametrize(
    "text",
    [
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian, with a joiner
        "\u200f\u05e9\u05dc\u05d5\u05dd!\u202b",  # Hebrew, with marks of direction
        "\U0001f468\u200d\U0001f469\u3000\u65e5",  # an emoji of two, and a wide space
    ],
)
def test_what_is_not_seen_but_changes_the_text_stays(text: str) -> None:
    assert from_srt(text) == from_ass(text) == (text, "")


def test_controls_do_not_stay() -> None:
    assert from_srt("a\0b\x1b\u2028c\td\ud800\r\n\ne")[0] == "a b  c d\ne"


def test_names_and_roles() -> None:
    assert roles(("sdh",)) == ("caption",)
    assert roles(("commentary",)) == ("subtitle", "commentary")
    assert label("pt-BR", ("caption",), ()) == ("text-por-sdh", "Portuguese (BR) SDH")
    assert label("de", ("subtitle",), ("text-deu",), ("German",)) == ("text-deu-2", "German 2")
    # Two scripts of one language are no two tracks of the same.
    named = label("zh-Hant", ("subtitle",), ("text-zho",), ("Chinese (Simplified)",))
    assert named == ("text-zho-2", "Chinese (Traditional)")


_MOMENT = st.integers(0, 10_000_000).map(lambda n: Fraction(n, 1000))
_LINE = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8)
_CUE = st.builds(
    lambda start, length, text: Cue(start, start + length, text),
    _MOMENT,
    st.integers(1, 90_000).map(lambda n: Fraction(n, 1000)),
    st.lists(_LINE, min_size=1, max_size=3).map("\n".join),
)


@given(st.lists(_CUE, max_size=8))
def test_what_is_written_is_read_back(cues: list[Cue]) -> None:
    found = within(Subtitles(tuple(cues)), Fraction(20_000))
    assert parse(render(found.cues)) == found


@given(st.text(max_size=200))
def test_no_text_makes_the_readers_fail_otherwise(text: str) -> None:
    said = ""
    try:
        found = parse(f"WEBVTT\n\n{text}")
    except MalformedError as error:
        said = error.why
        found = Subtitles(())
    assert said or all(one.end > one.start for one in found.cues)


def test_cues_are_cut_at_the_titles_ends() -> None:
    cues = tuple(Cue(Fraction(a), Fraction(b), "x") for a, b in ((-2, -1), (-1, 1), (3, 9), (5, 6)))
    assert times(within(Subtitles(cues), Fraction(5))) == [(0.0, 1.0), (3.0, 5.0)]


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A master whose pictures start at 1.4 s on the container's clock, with two text streams."""
    folder = tmp_path_factory.mktemp("late")
    (folder / "a.srt").write_text("1\n00:00:02,000 --> 00:00:03,000\n<i>late</i>\n")
    run(
        locate(),
        [
            *("-f", "lavfi", "-i", "testsrc2=size=64x64:rate=25:duration=3"),
            *("-i", f"{folder}/a.srt", "-i", f"{folder}/a.srt"),
            *("-map", "0", "-map", "1", "-map", "2", "-c:v", "libx264", "-bf", "0"),
            *("-bsf:v", "setts=ts=TS+7168", "-c:s:0", "srt", "-c:s:1", "ass"),
            *("-disposition:s:1", "forced", "-metadata:s:s:0", "language=ger"),
            *("-avoid_negative_ts", "disabled", f"file:{folder}/late.mkv"),
        ],
    )
    return folder / "late.mkv"


def test_embedded_text_is_on_the_timeline_of_reference_pictures(late: Path) -> None:
    master = probe(late, locate())
    conform = decide_conform(master, max_frame_rate=Fraction(60))
    assert conform.audio_offset > 0
    said: list[str] = []
    found = read_embedded(master, conform.audio_offset, said.append)
    assert said == []
    assert [stream.codec for stream, _ in found] == ["subrip", "ass"]
    for _, subtitles in found:
        (cue,) = subtitles.cues
        assert (cue.start, cue.end) == (2 - conform.audio_offset, 3 - conform.audio_offset)
        assert cue.text == "<i>late</i>"


def test_embedded_subrip_says_what_a_file_of_it_does(tmp_path: Path) -> None:
    words = "C:\\Notes {b} 1 < 2, 3 > 2 <b>x</b>"
    (tmp_path / "a.srt").write_text(f"1\n00:00:00,000 --> 00:00:01,000\n{words}\n")
    source = ["-f", "lavfi", "-i", "testsrc2=size=64x64:rate=25:duration=1", "-i"]
    copied = ["-c:v", "libx264", "-c:s", "copy", f"file:{tmp_path}/a.mkv"]
    run(locate(), [*source, f"file:{tmp_path}/a.srt", *copied])
    master = probe(tmp_path / "a.mkv", locate())
    ((_, found),) = read_embedded(master, Fraction(0), lambda _: None)
    (beside,) = read(tmp_path, (tmp_path / "a.srt").read_bytes())[1].cues
    assert found.cues[0].text == beside.text
    assert beside.text == "C:\\Notes {b} 1 &lt; 2, 3 &gt; 2 <b>x</b>"


def sample(text: bytes, *styles: tuple[int, int, int], before: bytes = b"") -> bytes:
    """Timed text with styles: first and last character, and face."""
    records = b"".join(
        first.to_bytes(2) + end.to_bytes(2) + b"\0\1" + bytes([face, 18]) + b"\xff" * 4
        for first, end, face in styles
    )
    boxed = b"styl" + len(styles).to_bytes(2) + records
    return len(text).to_bytes(2) + text + before + (len(boxed) + 4).to_bytes(4) + boxed


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (sample("ö < {x} & C:\\h\nzwei".encode()), "ö &lt; {x} &amp; C:\\h\nzwei"),
        (sample(b"one\\Ntwo\\N\\N"), "one\ntwo"),
        (sample("äbcd".encode(), (1, 2, 1), (2, 4, 6)), "ä<b>b</b><i><u>cd</u></i>"),
        (sample(b"a\\Nbc", (3, 4, 2), before=b"\0\0\0\x09hlit!"), "a\n<i>b</i>c"),
        (sample("Ж".encode("utf-16"), (0, 9, 2)), "<i>Ж</i>"),
        (b"\0\0", ""),
        (b"\0\xffcut", "cut"),
        (sample(b"bad", (0, 3, 1))[:-9] + b"\0\0\0\0", "bad"),
    ],
)
def test_timed_text_has_no_markup(data: bytes, text: str) -> None:
    assert from_mov_text(data) == text


def test_braces_in_mov_text_stay(tmp_path: Path) -> None:
    """FFmpeg's decoder would take them for commands."""
    path, words = tmp_path / "film.mp4", tmp_path / "film.srt"
    words.write_text(SRT.replace("One &", "{One} &"))
    arguments = ["-f", "lavfi", "-i", "testsrc=d=5:s=64x64", "-i", f"file:{words}"]
    run(locate(), [*arguments, "-c:s", "mov_text", f"file:{path}"])
    ((_, found),) = read_embedded(probe(path, locate()), Fraction(0), lambda _: None)
    assert [one.text for one in found.cues] == ["{One} &amp; <i>two</i>", "Ä"]
