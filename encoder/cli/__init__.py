"""The command line: click commands, one module per verb, and what they show."""
