"""Run the command line as ``python -m panda``."""

import sys

from panda.cli import main

if __name__ == "__main__":
    sys.exit(main())
