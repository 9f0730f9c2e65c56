"""What the tests of probing share."""

from __future__ import annotations

import pytest

from encoder.ffmpeg.locate import Ffmpeg, locate


@pytest.fixture(scope="session")
def ffmpeg() -> Ffmpeg:
    return locate()
