"""The page: whole in itself, safe whatever things are called, and true to the values."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from encoder.media.scores import Scorecard
from encoder.report.data import ReportData
from encoder.report.html import render

from .factory import RUNGS, report_data, without_expectations

TWELVE = tuple((i // 3, 9_000_000 - 720_000 * i) for i in range(12))
CASES = {
    "typical": report_data(),
    "not measured": report_data(scored=False),
    "no audio": report_data(sound=False),
    "no savings": report_data(savings=False),
    "no trials": report_data(trials=False, savings=False),
    "fixed": without_expectations(report_data()),
    "fixed, not measured": without_expectations(report_data(scored=False)),
    "one rung, one shot": report_data(rungs=RUNGS[:1], shot_count=1),
    "twelve rungs": report_data(rungs=TWELVE),
    "two seconds": report_data(frames=50, shot_count=1, every=5),
    "one frame": report_data(frames=1, shot_count=1),
    "300 shots": report_data(frames=7_500, shot_count=300),
    "two hours": report_data(frames=180_000, shot_count=900, every=5, rungs=TWELVE),
}
EVIL = "<script>alert(1)</script>\"'&<img src=x onerror=alert(1)>{{ 7*7 }}"

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Reads a page strictly: every element is closed by its own end tag."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.content: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"{tag} says {names}"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        inside = self.open[-1] if self.open else ""
        self.content.setdefault(inside, []).append(data)
        if inside not in ("style", "script"):
            self.text.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def words(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.text).replace("\N{MINUS SIGN}", "-"))


def evil(data: ReportData) -> ReportData:
    """The same with markup in every text that comes from outside."""
    result = data.result
    video = replace(result.master.video, codec=EVIL, profile=EVIL, pixel_format=EVIL)
    audio = tuple(replace(a, language=EVIL, title=EVIL, codec=EVIL) for a in result.master.audio)
    master = replace(
        result.master,
        path=Path("/in") / EVIL.replace("/", ""),
        container=EVIL,
        video=replace(video, timecode=EVIL),
        audio=audio,
        defects=(EVIL,),
        tags=((EVIL, EVIL),),
    )
    ids = {r.id: f"{r.id}{EVIL}" for r in result.ladder.rungs}
    ladder = replace(
        result.ladder,
        policy=EVIL,
        notes=(EVIL,),
        rungs=tuple(replace(r, id=ids[r.id], why=EVIL) for r in result.ladder.rungs),
        savings=replace(result.ladder.savings, reference_policy=EVIL)
        if result.ladder.savings
        else None,
    )
    renditions = replace(
        result.renditions,
        video=tuple(replace(r, id=ids[r.id]) for r in result.renditions.video),
        audio=tuple(replace(a, name=EVIL, language=EVIL) for a in result.renditions.audio),
    )
    tracks = tuple(replace(t, id=ids.get(t.id, t.id)) for t in result.package.tracks)
    card = result.scorecard
    assert card is not None
    return replace(
        data,
        result=replace(
            result,
            master=master,
            conform=replace(result.conform, changes=(EVIL,)),
            ladder=ladder,
            renditions=renditions,
            package=replace(result.package, tracks=tracks),
            scorecard=Scorecard(
                tuple(replace(s, rendition=ids[s.rendition]) for s in card.renditions)
            ),
            made_by=replace(
                result.made_by,
                version=EVIL,
                ffmpeg=EVIL,
                command=(EVIL,),
                libraries=((EVIL, EVIL),),
            ),
            warnings=(EVIL,),
        ),
        vmaf={ids[k]: v for k, v in data.vmaf.items()},
        frame_bytes={ids[k]: v for k, v in data.frame_bytes.items()},
        worst=tuple(replace(w, rendition=ids[w.rendition]) for w in data.worst),
    )


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {name: render(data) for name, data in CASES.items()}


@pytest.mark.parametrize("name", CASES)
def test_every_case_is_a_well_formed_page_without_holes(pages: dict[str, str], name: str) -> None:
    page = Page(pages[name])
    for hole in ("None", "nan", "inf", "Undefined", "{{", "}}", "object at"):
        assert re.search(rf"(?<![a-z]){re.escape(hole)}(?![a-z])", page.words) is None, hole
    numbers = [v for _, attributes in page.elements for v in attributes.values() if v]
    assert not any(re.search(r"\b(nan|inf)\b", v) for v in numbers)


@pytest.mark.parametrize("name", CASES)
def test_charts_are_well_formed_xml(pages: dict[str, str], name: str) -> None:
    charts = re.findall(r"<svg.*?</svg>", pages[name], re.DOTALL)
    assert len(charts) >= 2
    for chart in charts:
        ElementTree.fromstring(chart)


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_loaded_from_elsewhere(pages: dict[str, str], name: str) -> None:
    page = Page(pages[name])
    for tag, attributes in page.elements:
        for key in ("src", "href", "action", "xlink:href", "data", "poster", "srcset"):
            target = attributes.get(key)
            assert target is None or target.startswith(("data:image/", "#")), (tag, target)
        # Neither would pass the policy.
        assert "style" not in attributes
        assert not any(key.startswith("on") for key in attributes)
    assert "http" not in "".join(page.content["style"] + page.content["script"])
    assert "url(" not in "".join(page.content["style"])
    assert "@import" not in "".join(page.content["style"])


@pytest.mark.parametrize("name", ["typical", "not measured"])
def test_the_policy_allows_just_what_is_inside(pages: dict[str, str], name: str) -> None:
    page = Page(pages[name])
    (policy,) = (
        meta["content"]
        for meta in page.named("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    directives = dict(d.strip().split(" ", 1) for d in policy.split(";"))

    def digest(tag: str) -> str:
        assert len(page.content[tag]) == 1
        content = hashlib.sha256(page.content[tag][0].encode()).digest()
        return f"'sha256-{base64.b64encode(content).decode()}'"

    assert directives == {
        "default-src": "'none'",
        "style-src": digest("style"),
        "script-src": digest("script"),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_links_within_the_page_lead_somewhere(pages: dict[str, str]) -> None:
    for name in CASES:
        page = Page(pages[name])
        targets = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
        links = {(a["href"] or "")[1:] for a in page.named("a")}
        assert links
        assert links <= targets


def test_markup_in_names_is_only_text() -> None:
    text = render(evil(report_data()))
    page = Page(text)
    assert len(page.named("script")) == 1
    assert all((img.get("src") or "").startswith("data:") for img in page.named("img"))
    assert text.count("<script") == 1
    assert page.words.count("<script>alert(1)</script>") > 20
    assert "49" not in re.findall(r"\S*onerror=alert\(1\)>(\S*)", page.words)
    assert [a for _, attributes in page.elements for a in attributes if a.startswith("on")] == []


def test_names_with_bytes_that_are_no_utf8_can_be_written() -> None:
    name = b"caf\xe9.mov".decode("utf-8", "surrogateescape")
    text = render(report_data(name=name))
    assert "caf\\xe9.mov" in text
    text.encode("utf-8")


def test_the_same_values_give_the_same_page(pages: dict[str, str]) -> None:
    assert render(report_data()) == pages["typical"]


def test_headlines_and_tables_say_what_was_measured(pages: dict[str, str]) -> None:
    words = Page(pages["typical"]).words
    result = CASES["typical"].result
    top = result.score("v1-1080p")
    assert top is not None
    vmaf = top.metric("vmaf").title
    for expected in (
        f"{vmaf.mean:.1f} VMAF",
        f"95 % of frames above {vmaf.p5:.1f}, v1-1080p",
        "24.3 % fewer than apple-hls at equal VMAF",
        "5 video and 3 audio",
        "9.6 s",
        "240 frames, 3 shots",
        "5 289 7 226 5 180 +2.1 %".replace(" ", "\N{SPACE}"),
        f"{top.metric('psnr_y').title.mean:.2f} {top.metric('ssim').title.mean:.4f}",
        "the cheapest point that reaches VMAF 95",
        "CRF 21.5 to 22.5 by shot",
        "Tone-mapped from HDR",
        "silence was added",
        "Deutsch is silent from beginning to end",
        "English 5.1 en AAC, 48 kHz 5.1 384 -19.4 8.1 -2.3 none",
        "encoder ingest /media/masters/river_crossing.mov -o '/srv/out/river crossing'",
        "n9.0.2",
        result.master.digest,
        result.ladder.policy_digest,
        "416x234 is nowhere on the hull",
    ):
        assert expected in words.replace("\N{NARROW NO-BREAK SPACE}", " ").replace(
            "\N{NO-BREAK SPACE}", " "
        ), expected


@pytest.mark.parametrize(
    ("name", "absent"),
    [
        ("not measured", ["PSNR", "SSIM", "Worst frames", "VMAF mean", "as delivered"]),
        ("no audio", ["LUFS", "EBU R 128"]),
        ("no savings", ["Bits saved", "fixed ladder"]),
        ("fixed, not measured", ["Rate and quality", "Bits saved", "Worst frames"]),
    ],
)
def test_what_there_is_not_is_not_shown(
    pages: dict[str, str], name: str, absent: list[str]
) -> None:
    words = Page(pages[name]).words
    assert [one for one in absent if one in words] == []


def test_savings_are_worded_by_their_sign() -> None:
    data = report_data()
    for change, expected in (
        (-3.2, "Bits saved 3.2 % fewer than apple-hls"),
        (4.1, "Bits added 4.1 % more than apple-hls"),
        (None, "Bits saved \N{EN DASH} no quality in common with apple-hls"),
    ):
        savings = data.result.ladder.savings
        assert savings is not None
        ladder = replace(data.result.ladder, savings=replace(savings, bd_rate_vmaf=change))
        words = Page(render(replace(data, result=replace(data.result, ladder=ladder)))).words
        assert expected in words


@pytest.mark.parametrize("name", ["300 shots", "two hours"])
def test_long_titles_are_drawn_with_few_points(pages: dict[str, str], name: str) -> None:
    assert len(pages[name]) < 1_500_000
    page = Page(pages[name])
    points = [
        len((attributes["points"] or "").split())
        for tag, attributes in page.elements
        if tag in ("polyline", "polygon")
    ]
    assert max(points) > 100
    assert max(points) <= 1_500
    # The strips of both charts: no more rectangles than can be seen.
    assert len(page.named("rect")) < 2 * 2 * 1080 / 2 + 2 * 900 + 50


def test_the_worst_frame_of_a_long_title_is_still_in_the_chart(pages: dict[str, str]) -> None:
    data = CASES["two hours"]
    page = Page(pages["two hours"])
    panel = next(a for tag, a in page.elements if tag == "g" and a.get("data-kind") == "vmaf")
    low, high, start, end = (
        float(panel[f"data-{k}"] or "") for k in ("low", "high", "start", "end")
    )
    bands = [a["points"] or "" for t, a in page.elements if t == "polygon" and a["class"] == "band"]
    # The last group drawn, that of the best rendition, lies on top.
    heights = [float(pair.split(",")[1]) for pair in bands[len(TWELVE) - 1].split()]
    lowest = low + (max(heights) - start) / (end - start) * (high - low)
    best = data.result.renditions.video[0].id
    assert lowest == pytest.approx(float(data.vmaf[best].min()), abs=0.1)


def test_both_charts_carry_every_rendition(pages: dict[str, str]) -> None:
    page = Page(pages["twelve rungs"])
    series = [a["data-series"] for t, a in page.elements if t == "g" and "data-series" in a]
    # Quality and bitrate, wide and narrow.
    assert sorted(map(int, (s or "" for s in series))) == sorted([*range(12)] * 4)
    buttons = [a["data-series"] for a in page.named("button") if "data-series" in a]
    assert buttons == [str(i) for i in range(12)]


def test_cuts_are_marked() -> None:
    page = Page(render(report_data(shot_count=5)))
    classes = [a.get("class") for a in page.named("line")]
    # Shot 4 of the five begins where a long one was split; two charts.
    assert classes.count("cut") == 2 * 3
    assert classes.count("split") == 2 * 1
