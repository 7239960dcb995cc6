"""What `livebg run` imports before the first picture: nothing that only photos, videos and downloads need."""

import subprocess
import sys

NOT_NEEDED = {"PIL", "http.client", "urllib.request", "psutil"}


def test_run_imports_nothing_that_first_picture_does_not_need() -> None:
    code = "import sys, livebg.cli, livebg.daemon.app, livebg.segmentation.u2net; print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    imported = set(ended.stdout.split())
    assert {"numpy", "av", "onnxruntime"} <= imported
    assert not imported & NOT_NEEDED
