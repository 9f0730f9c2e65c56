"""Policies, trials, hull and the choice of rungs."""
