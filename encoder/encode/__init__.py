"""Ladder to Renditions."""
