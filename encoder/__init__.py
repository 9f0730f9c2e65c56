"""Turns a master video into a measured, per-title adaptive-bitrate package for HLS and DASH."""

__version__ = "0.1.0"
