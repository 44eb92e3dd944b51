"""``bench`` is not installed: the repository's root is put on the path, last, so that it shadows nothing."""

import sys
from pathlib import Path

ROOT = str(Path(__file__).parents[2])
if ROOT not in sys.path:
    sys.path.append(ROOT)
