"""``python -m panda``, the same as the command ``panda``."""

import sys

from panda.cli import main

if __name__ == "__main__":
    sys.exit(main())
