"""Shared value types: what flows from stage to stage. Nothing here does I/O."""
