"""python -m charlm COMMAND: the command charlm, where it is not on the PATH."""

import sys

from charlm.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
