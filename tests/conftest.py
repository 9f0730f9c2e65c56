"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

# Machines are shared and noisy: how long an example takes is no property of the code.
settings.register_profile("encoder", deadline=None)
settings.load_profile("encoder")
