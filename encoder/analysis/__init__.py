"""Master to Shots and their complexity."""
