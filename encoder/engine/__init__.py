"""Runs the steps: store, events, pipeline."""
