"""``python -m backpass`` is the command line."""

import sys

from backpass.cli import main

sys.exit(main())
