"""The preview in a real browser: the page plays, steps, compares, and asks nobody else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import CLEAR_KEYS

pytestmark = pytest.mark.browser
SCRIPT = Path(__file__).parent / "preview.mjs"


def used(node: str, argv: list[str], cache: Path, *options: str) -> tuple[str, dict[str, Any]]:
    """The address of the preview that a command serves, and what was seen of it."""
    serving = subprocess.Popen(
        [sys.executable, "-m", "encoder", "preview", *argv, "--no-open"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "ENCODER_CACHE": str(cache)},
    )
    try:
        assert serving.stdout is not None
        url = serving.stdout.readline().strip()
        done = subprocess.run(
            [node, str(SCRIPT), url, *options],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            check=True,
        )
    finally:
        serving.terminate()
        assert serving.wait(timeout=60) == 0
        if serving.stdout is not None:
            serving.stdout.close()
    seen: dict[str, Any] = json.loads(done.stdout)
    return url, seen


def test_what_is_encrypted_plays_with_its_keys(
    node: str, lead_package: Path, tmp_path: Path
) -> None:
    keys = [
        {"kid": one.kid.hex(), "key": one.key.hex(), "for": list(one.classes)} for one in CLEAR_KEYS
    ]
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": keys}))
    argv = [str(lead_package), "--protect", str(file)]
    _, seen = used(node, argv, tmp_path, "--play")
    assert (seen["errors"], seen["problem"], seen["ended"]) == ([], "", True)


@pytest.mark.parametrize("package_dir", ["cartoon"], indirect=True)
def test_a_person_can_use_it(node: str, package_dir: Path, tmp_path: Path) -> None:
    report: dict[str, Any] = json.loads((package_dir / "report.json").read_text())
    url, seen = used(node, [str(package_dir)], tmp_path)
    assert (seen["errors"], seen["problem"]) == ([], "")
    assert seen["title"] == Path(report["master"]["path"]).name
    rungs = report["renditions"]
    assert len(seen["rungs"]) == 1 + len(rungs)
    assert f"VMAF {rungs[0]['scores']['vmaf']['mean']:.1f}" in seen["rungs"][1]
    assert seen["first"].startswith(rungs[0]["id"])
    assert seen["cheapest"].startswith(rungs[-1]["id"])
    assert (seen["stepped"], seen["pictured"], seen["mode"]) == (1, 1, "side")
    width, height = report["conform"]["width"], report["conform"]["height"]
    assert seen["picture"] == [width, height]
    # Code values of 256: the rung shows what the master shows, and not another frame.
    assert seen["difference"] < 3
    assert seen["last"] == report["conform"]["frames"] - 1
    assert seen["ended"]
    assert seen["hosts"] == [url.split("/")[2]]
