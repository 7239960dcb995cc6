"""``python -m tests.soak``: a soak in pieces. Its results are kept in a file, from which the next call continues."""

import argparse
import faulthandler
import logging
import sys
import tempfile
from pathlib import Path

from tests.soak.chapter import SoakFiles, soak
from tests.soak.figures import Figures

_HANGS = 1800
"""Real seconds of a chapter after which all threads' stacks are shown, and it ends."""


def main() -> int:
    """0 where all that must hold held, and all is flat."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--frames", type=int, default=30_000, help="in all, those of earlier calls among them")
    parser.add_argument("--state", type=Path, default=Path("soak.json"), help="the figures so far, and the seed")
    parser.add_argument("--seed", type=int, default=1, help="of a new file")
    parser.add_argument("--chapter", type=int, default=10_000, help="frames of one session")
    parser.add_argument("--rest-every", type=int, default=1_500, help="frames between two looks at memory, threads and files")
    parser.add_argument("--network", type=Path, help="an ONNX file; without it a toy")
    parser.add_argument("--input-size", default="64x36", help="of the network's picture")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    figures = Figures.read(asked.state)
    if not figures.chapters:
        figures.seed, figures.network = asked.seed, asked.network.name if asked.network else "toy"
    figures.processes += 1
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        files = SoakFiles(Path(folder), asked.network, asked.input_size)
        while figures.frames < asked.frames:
            faulthandler.dump_traceback_later(_HANGS, exit=True)
            soak(files, figures, min(asked.chapter, asked.frames - figures.frames), asked.rest_every)
            figures.write(asked.state)
            last = figures.samples[-1]
            logging.info(
                "%d frames in %.0f s, %d violations; %.1f MiB, %d threads, %d files",
                figures.frames,
                figures.real_seconds,
                len(figures.violations),
                last.rss,
                last.threads,
                last.descriptors,
            )
    for text in (*figures.violations, *figures.trends()):
        logging.error("%s", text)
    return 1 if figures.violations or figures.trends() else 0


if __name__ == "__main__":
    sys.exit(main())
