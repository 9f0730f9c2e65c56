"""``report.html``: one file that shows an ingest to a person; nothing is loaded from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import shlex
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

from encoder.report import text, view
from encoder.report.data import ReportData
from encoder.report.palette import Colour
from encoder.report.rate_chart import rate_chart
from encoder.report.rate_quality import RateQuality, rate_quality
from encoder.report.timeline import marks_cuts, timeline

if TYPE_CHECKING:
    from jinja2 import Environment

# The widths charts are drawn at; the style sheet shows the one that fits.
_WIDE, _NARROW = 1080, 380


def render(data: ReportData) -> str:
    """The page as text, to be written as UTF-8.

    Style, script, charts and pictures are inside. Its content security policy allows these and
    nothing else: no request leaves the page.
    """
    from markupsafe import Markup

    result = data.result
    picture = rate_quality(result.ladder, view.measured(result))
    style = resource("report.css") + _colours(picture)
    script = resource("report.js")
    series = view.series(data)
    shots, frames, rate = result.analysis.shots, result.analysis.frames, result.conform.frame_rate
    timelines = [timeline(series, shots, frames, rate, width) for width in (_WIDE, _NARROW)]
    page = (
        environment()
        .get_template("report.html.j2")
        .render(
            style=Markup(style),
            script=Markup(script),
            policy=content_policy(style, script),
            name=result.master.path.name,
            result=result,
            data=data,
            tiles=view.tiles(result),
            comparison=view.comparison(result),
            facts=view.facts(result),
            rungs=view.rung_rows(result),
            picture=picture,
            rate_charts=[]
            if picture.empty
            else [Markup(rate_chart(picture, w)) for w in (_WIDE, _NARROW)],
            series=series,
            timelines=[Markup(one) for one in timelines],
            marks_cuts=marks_cuts(len(shots), _WIDE),
            has_vmaf=any(one.vmaf is not None for one in series),
            has_rates=any(one.frame_bytes is not None for one in series),
            shots=view.shot_rows(result),
            pictures=[view.picture_row(one, result) for one in data.worst],
            audio=view.audio_rows(result),
            cost=view.cost_rows(result.cost),
            command=shlex.join(result.made_by.command),
        )
    )
    return text.encodable(page)


@lru_cache(maxsize=4)
def resource(name: str) -> str:
    """A template, style sheet or script that lies beside this module."""
    return (files("encoder.report") / name).read_text("utf-8")


@lru_cache(maxsize=1)
def environment() -> Environment:
    """What fills the templates in: everything is escaped, and nothing may be missing."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(resource),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        bitrate=text.bitrate,
        codec_name=view.codec_name,
        kilobits=text.kilobits,
        grouped=text.grouped,
        ordinal=text.ordinal,
        size=text.size,
        clock=text.clock,
        signed=text.signed,
        percent=text.percent,
        frame_rate=text.frame_rate,
    )
    environment.globals["resolution"] = text.resolution
    environment.globals["data_uri"] = _data_uri
    return environment


def _data_uri(content: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"


def content_policy(style: str, script: str) -> str:
    """The content security policy: our own style and script by their digests, data: pictures."""
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _digest(content: str) -> str:
    digest = hashlib.sha256(content.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def _colours(picture: RateQuality) -> str:
    """Style rules that give each resolution (``z0`` ...) and rung (``r0`` ...) its colour."""
    named: list[tuple[str, Colour]] = [
        *((f"z{i}", line.colour) for i, line in enumerate(picture.lines)),
        *((f"r{i}", mark.colour) for i, mark in enumerate(picture.marks)),
    ]
    light = "".join(f".{name}{{--c:{colour.light}}}" for name, colour in named)
    dark = "".join(f".{name}{{--c:{colour.dark}}}" for name, colour in named)
    return f"{light}\n@media screen and (prefers-color-scheme:dark){{{dark}}}\n"
