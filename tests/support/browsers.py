"""Real browsers with a page that selects a camera by its label and reports what it sees."""

import http.server
import json
import queue
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any, Final, Self

from tests.support.pipewire_desktop import Desktop

_PAGE: Final = """<!doctype html><title>camera</title><video id=video autoplay muted playsinline></video><script>
const post = (what) => fetch("/posted", {method: "POST", body: JSON.stringify(what)});
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const open = async (video) => {  // a browser that has just started may not have heard of the camera yet
  for (let tries = 0; ; tries++) {
    try { return await navigator.mediaDevices.getUserMedia({video}); }
    catch (error) { if (tries > 20) throw error; await wait(500); }
  }
};
const camera = async (label) => {
  const first = await open(true);  // without leave there are no labels
  const devices = await navigator.mediaDevices.enumerateDevices();
  const labels = devices.filter((each) => each.kind == "videoinput").map((each) => each.label);
  const found = devices.find((each) => each.kind == "videoinput" && each.label == label);
  if (!found) throw new Error("no camera of that label among " + JSON.stringify(labels));
  const second = await open({deviceId: {exact: found.deviceId}, width: {ideal: WIDTH}, height: {ideal: HEIGHT}});
  first.getTracks().forEach((track) => track.stop());  // not before: Chromium 156 may crash when it reopens a camera at once
  return [labels, second];
};
(async () => {
  const [labels, stream] = await camera(LABEL);
  video.srcObject = stream;
  await video.play();
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  const pen = canvas.getContext("2d", {willReadFrequently: true});
  const frames = [];
  for (let count = 0; count < FRAMES; count++) {
    await new Promise((done) => video.requestVideoFrameCallback(done));
    pen.drawImage(video, 0, 0);
    const now = Date.now();
    const at = ([x, y]) => Array.from(pen.getImageData(x * canvas.width, y * canvas.height, 1, 1).data.slice(0, 3));
    frames.push({now, pixels: POINTS.map(at)});
  }
  await post({labels, label: stream.getVideoTracks()[0].label, width: canvas.width, height: canvas.height, frames});
  stream.getTracks().forEach((track) => track.stop());
  await post({stopped: true});
})().catch((error) => post({error: String(error)}));
</script>"""

FIREFOX: Final = {
    "media.webrtc.camera.allow-pipewire": True,
    "media.navigator.permission.disabled": True,
    "media.autoplay.default": 0,
    "browser.shell.checkDefaultBrowser": False,
    "browser.aboutwelcome.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.enabled": False,
    "app.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "security.sandbox.content.level": 0,
}
"""Preferences with which a page gets a PipeWire camera without a question of the browser."""
_CHROMIUM: Final = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--use-fake-ui-for-media-stream",
    "--enable-features=WebRtcPipeWireCamera",
    "--autoplay-policy=no-user-gesture-required",
    "--no-first-run",
    "--mute-audio",
)
PROGRAMS: Final = {"chromium": "chromium", "firefox": "firefox-esr"}
"""Of each browser."""
Point = tuple[float, float]


def camera_page(label: str, size: tuple[int, int], points: list[Point], frames: int) -> str:
    """A page that reads ``frames`` pictures of the camera ``label`` at ``points``, and posts what it sees to ``/posted``."""
    page = _PAGE
    for word, meant in {"LABEL": label, "WIDTH": size[0], "HEIGHT": size[1], "POINTS": points, "FRAMES": frames}.items():
        page = page.replace(word, json.dumps(meant))
    return page


class Browser:
    """A browser whose page reads ``frames`` pictures of the camera ``label`` at ``points``, shares of width and height."""

    def __init__(
        self, name: str, desktop: Desktop, label: str, size: tuple[int, int], points: list[Point], frames: int = 10
    ) -> None:
        self._said: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._server = _server(camera_page(label, size, points, frames).encode(), self._said)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        profile = desktop.folder / f"{name}-profile"
        shutil.rmtree(profile, ignore_errors=True)
        profile.mkdir()
        address = f"http://127.0.0.1:{self._server.server_port}/"
        self.program = desktop.run(*_command(name, profile), address)

    def posted(self, patience: float) -> dict[str, Any]:
        """The page's next report; raises ``queue.Empty``."""
        return self._said.get(timeout=patience)

    def close(self) -> None:
        self.program.terminate()
        try:
            self.program.wait(10)
        except subprocess.TimeoutExpired:
            self.program.kill()
            self.program.wait(10)
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _command(name: str, profile: Path) -> list[str]:
    program = PROGRAMS[name]
    if name == "chromium":
        return [program, *_CHROMIUM, f"--user-data-dir={profile}"]
    lines = [f'user_pref("{key}", {json.dumps(value)});' for key, value in FIREFOX.items()]
    (profile / "user.js").write_text("\n".join(lines))
    return [program, "--headless", "--no-remote", "--profile", str(profile)]


def _server(page: bytes, posted: "queue.SimpleQueue[dict[str, Any]]") -> http.server.ThreadingHTTPServer:
    class Answers(http.server.BaseHTTPRequestHandler):
        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - as it is called there
            """Disable the log of requests."""

        def do_GET(self) -> None:
            body = page if self.path == "/" else b""
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            posted.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

    return http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
