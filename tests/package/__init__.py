"""Tests of the packaging stage."""
