"""A folder and a socket path arrive; a real school's node answers there until stdin ends.

`python -m tests.relay_watch.node_process FOLDER SOCKET`. The coalition of `tests.kit` is made in FOLDER; the first line
of stdout is the coordinator's signed request to prepare `school-0`, in hexadecimal, once that school answers.
"""

from __future__ import annotations

import sys
from pathlib import Path

from experiments.protocol import Prepare
from node.answer import answer
from node.service import serving
from tests.kit import coalition


def main(folder: Path, socket: Path) -> None:
    """Make the coalition, say the request, and serve."""
    kit = coalition(folder, schools=3)
    node = kit.members["school-0"].node
    request = kit.request("school-0", Prepare(kit.experiment.encoded, kit.serials))
    with serving(socket, lambda data: answer(node, data)):
        print(request.hex(), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
