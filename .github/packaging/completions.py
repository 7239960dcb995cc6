"""Writes the shell completions of livebg below a folder, where Debian's and Arch's shells look for them."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

_PLACES: Final = {
    "bash": "usr/share/bash-completion/completions/livebg",
    "zsh": "usr/share/zsh/vendor-completions/_livebg",
    "fish": "usr/share/fish/vendor_completions.d/livebg.fish",
}


def main(folder: Path) -> None:
    """Write one file for each shell."""
    for shell, place in _PLACES.items():
        environment = os.environ | {"_LIVEBG_COMPLETE": f"source_{shell}"}
        code = "import sys; sys.argv = ['livebg']; from livebg.__main__ import main; main()"
        command = (sys.executable, "-c", code)
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        assert "livebg" in done.stdout, shell
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text(done.stdout.strip() + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
