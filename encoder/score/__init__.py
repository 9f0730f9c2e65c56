"""Metrics and pooling."""
