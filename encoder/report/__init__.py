"""Reports for people: HTML, plots."""
