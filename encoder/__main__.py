"""``python -m encoder``."""

from encoder.cli.main import main

if __name__ == "__main__":
    main()
