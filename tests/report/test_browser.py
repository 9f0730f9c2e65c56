"""The page in a real browser: its policy lets its own parts work, and it fits every screen."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from encoder.report import html as report_html

from .factory import report_data

CHROMIUM = os.environ.get("ENCODER_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]

# Uses the page as a person would, and writes down what came of it.
PROBE = """
addEventListener("load", () => {
  const shown = (one) => one.getBoundingClientRect().width > 0;
  const chart = [...document.querySelectorAll("svg.timeline")].find(shown);
  const box = chart.getBoundingClientRect();
  chart.dispatchEvent(new PointerEvent("pointermove", {
    clientX: box.left + box.width * (EDGE), clientY: box.top + 100,
  }));
  const readout = document.querySelector(".readout");
  const place = readout.getBoundingClientRect();
  const buttons = document.querySelectorAll(".keys button");
  buttons[1].click();
  const off = document.querySelectorAll(".series.off").length;
  document.querySelector(".pictures img").click();
  const viewer = document.getElementById("viewer");
  const label = (one) => one.textContent;
  const found = {
    width: innerWidth,
    page: document.documentElement.scrollWidth,
    readout: readout.textContent,
    readoutRight: place.right,
    rows: readout.querySelectorAll("tr").length,
    off,
    pressed: buttons[1].getAttribute("aria-pressed"),
    viewer: viewer.open,
    choices: [...viewer.querySelectorAll(".choices button")].map(label),
    surface: getComputedStyle(document.querySelector(".tiles div")).backgroundColor,
    charts: [...document.querySelectorAll(".chart svg")].filter(shown).length,
    broken: [...document.images].filter((one) => !one.naturalWidth).length,
    overlaps: [...document.querySelectorAll(".chart svg")].filter(shown).map((svg) => {
      const boxes = [...svg.querySelectorAll("text")].map((t) => t.getBoundingClientRect());
      let count = 0;
      boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b) => {
        const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const tall = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (wide > 1 && tall > 4) count += 1;
      }));
      return count;
    }),
    outside: [...document.querySelectorAll(".chart svg")].filter(shown).map((svg) => {
      const edge = svg.getBoundingClientRect();
      return [...svg.querySelectorAll("text")].filter((t) => {
        const r = t.getBoundingClientRect();
        return r.left < edge.left - 1 || r.right > edge.right + 1;
      }).length;
    }),
  };
  viewer.close();
  parent.postMessage(JSON.stringify(found), "*");
});
"""

# A window cannot be as narrow as a phone; a frame in it can.
FRAME = """<!doctype html><body style="margin:0">
<script>
addEventListener("message", (event) => {
  const out = document.createElement("pre");
  out.id = "probe";
  out.textContent = event.data;
  document.body.append(out);
});
</script>
<iframe src="SOURCE" width="WIDTH" height="1000" style="border:0"></iframe>
"""


def _open(page: Path, profile: Path, dark: bool) -> tuple[dict[str, Any], list[str]]:
    """What the probe wrote down, and what the browser complained about."""
    assert CHROMIUM is not None
    done = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--user-data-dir={profile}",
            "--window-size=1400,1100",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            "--enable-logging=stderr",
            "--virtual-time-budget=2000",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found is not None, done.stderr[-2000:]
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return json.loads(html.unescape(found.group(1))), complaints


@pytest.mark.parametrize(
    ("name", "width", "dark"),
    [("desk", 1280, False), ("desk", 1280, True), ("tablet", 820, False), ("phone", 390, False)],
)
def test_the_page_works_and_fits(
    name: str, width: int, dark: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = report_html.resource
    edge = "0.95" if name != "desk" else "0.5"
    probe = PROBE.replace("EDGE", edge)
    monkeypatch.setattr(
        report_html, "resource", lambda n: plain(n) + (probe if n == "report.js" else "")
    )
    page = tmp_path / "a 100% #1 report.html"
    page.write_text(report_html.render(report_data()), encoding="utf-8")
    frame = tmp_path / "frame.html"
    source = html.escape(page.as_uri())
    frame.write_text(FRAME.replace("SOURCE", source).replace("WIDTH", str(width)))
    found, complaints = _open(frame, tmp_path / "profile", dark)
    assert complaints == []
    assert found["width"] == width
    assert found["page"] <= width
    assert found["broken"] == 0
    assert found["charts"] == 2
    assert found["overlaps"] == [0, 0]
    assert found["outside"] == [0, 0]
    assert found["rows"] == 5
    assert re.match(r"0:0\d\.\d\d, frame \d+, shot \d", found["readout"])
    assert found["readoutRight"] <= width
    # Its lines in both panels of both charts, the wide and the narrow.
    assert found["off"] == 4
    assert found["pressed"] == "false"
    assert found["viewer"] is True
    assert found["choices"] == ["master", "rendition", "difference \N{MULTIPLICATION SIGN} 8"]
    assert (found["surface"] == "rgb(255, 255, 255)") != dark
