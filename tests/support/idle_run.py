"""Runs `livebg run` with a file as camera and an output that nobody watches: ``python -m tests.support.idle_run CLIP NETWORK``.

The output is the null output with the presence of the PipeWire camera, which no program uses.
"""

import runpy
import sys
from functools import partial

from livebg.daemon import bootstrap
from livebg.live.presence.pipewire import StreamPresence


def main() -> None:
    clip, network = sys.argv[1:]
    bootstrap.presence_factory = lambda settings, streaming, backend: partial(StreamPresence, streaming)  # noqa: ARG005
    sys.argv = ["livebg", "run", "--camera", clip, "--output", "null", "--model", network]
    runpy.run_module("livebg", run_name="__main__")


if __name__ == "__main__":
    main()
