"""The only room that knows the program: where it is, what it can do, how it is run."""
