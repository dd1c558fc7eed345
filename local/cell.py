"""One of several cells that one command runs: `CELLS=... python -m local.cell NAME PORT`. It is `CELL=... make run` but for
what is said, and whom to: local.cells reads the log."""

import os
import sys

from local import ending, shell
from shared.platform.log import function_name, log
from shared.platform.settings import read_settings
from shared.rules.cells import read_cells

UP = "Answers at "
# The exit status of a cell that says why it cannot run.
GIVES_UP = 3


def main() -> None:
    name, port = sys.argv[1:]
    ending.with_parent()
    function_name.set(name)
    number = next(cell.number for cell in read_cells(os.environ["CELLS"]) if cell.name == name)
    os.environ |= {"CELL": str(number), "CELL_NAME": name, "SERVICE_PORT": port}
    from local import run  # whose parts read CELL as they are imported

    try:
        shell.keep_what_is_ours()
        run.run_one(read_settings(), lambda start: f"{UP}http://localhost:{start.door}")
    except SystemExit as ended:
        if not ended.code:
            raise
        log.critical(str(ended.code))
        sys.exit(GIVES_UP)


if __name__ == "__main__":
    main()
