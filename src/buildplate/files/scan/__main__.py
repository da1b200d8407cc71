"""Scans the file named on the command line and prints its analysis as JSON.

`python -m buildplate.files.scan FILE`; the server runs it so for large files.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from pathlib import Path

from buildplate.files.scan.scanner import scan_file

POLITE = 10
"""Below the server in the processor's order: a print that waits is worse than an unknown size."""


def main() -> None:
    """Prints the analysis of the file in the first argument."""
    os.nice(POLITE)
    gc.disable()  # nothing here is cyclic, and looking for it would cost a tenth of the time
    json.dump(scan_file(Path(sys.argv[1])).to_dict(), sys.stdout)


if __name__ == "__main__":
    main()
