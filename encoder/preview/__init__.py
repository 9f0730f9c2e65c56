"""A package in a browser, served on this machine alone."""
