"""What the scripts share. Standard library only, Python 3.11 or newer."""

import sys

if sys.version_info < (3, 11):
    sys.exit(
        f"error: Python {sys.version.split()[0]} is too old\n"
        f"  do: run the script with Python 3.11 or newer, like: python3.11 {sys.argv[0]}"
    )
