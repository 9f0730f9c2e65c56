"""Renditions to Package: CMAF, HLS, DASH."""
