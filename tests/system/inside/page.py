"""``page.py LABEL FILE``: serves a page that shows the camera of that label as a call does, and stores the page's reports.

FILE gets a line of JSON for each report: the cameras that are listed before the page opens one; each opening, with the cameras
that are listed then; and of each frame that the page reads its size and some of its pixels (red, green, blue). A camera that
falls silent or ends is opened again.
"""

import http.server
import json
import os
import sys
from typing import Final

PORT: Final = 8765
POINTS: Final = (
    *((x / 16, 0.5 / 9) for x in (0.5, 4, 8, 12, 15.5)),
    *((x / 16, 8.5 / 9) for x in (0.5, 1.5, 14.5, 15.5)),
    *((x / 16, 4.5 / 9) for x in (0.5, 1.5, 14.5, 15.5)),
    *((x / 16, 5 / 9) for x in (5.6, 7, 9, 10.4)),
)
"""The points that the page reads, as shares of width and height: the room first, then the person."""
PERSON: Final = 4
"""How many of the points are the person's."""
_PAGE: Final = """<!doctype html><title>call</title><video id=video width=32 autoplay muted playsinline></video><script>
const post = (what) => fetch("/posted", {method: "POST", body: JSON.stringify(what)});
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const cameras = async () => (await navigator.mediaDevices.enumerateDevices()).filter((each) => each.kind == "videoinput");
const silence = 5000, rest = 300;  // ms; under emulation to look at each frame leaves livebg no time
const labels = async () => (await cameras()).map((each) => each.label);
let stream = null, last = 0;
const find = async () => (await cameras()).find((each) => each.label == LABEL);
const open = async () => {
  let found = await find(), first = null;
  if (!found && !(await labels()).some((label) => label)) {  // Firefox gives labels only to a page that has opened a camera
    first = await navigator.mediaDevices.getUserMedia({video: true});
    found = await find();
  }
  try {
    if (!found) throw new Error("no camera of that label");
    stream = await navigator.mediaDevices.getUserMedia({video: {deviceId: {exact: found.deviceId}}});
  } finally {
    if (first) first.getTracks().forEach((track) => track.stop());  // not earlier: a browser may crash if it reopens it at once
  }
  video.srcObject = stream;
  await video.play();
  last = performance.now();
  const track = stream.getVideoTracks()[0];
  await post({opened: track.label, labels: await labels(), settings: track.getSettings()});
};
const look = () => {
  last = performance.now();
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  const pen = canvas.getContext("2d", {willReadFrequently: true});
  pen.drawImage(video, 0, 0);
  const at = ([x, y]) => Array.from(pen.getImageData(x * canvas.width, y * canvas.height, 1, 1).data.slice(0, 3));
  post({width: canvas.width, height: canvas.height, pixels: POINTS.map(at)});
  setTimeout(() => video.requestVideoFrameCallback(look), rest);
};
(async () => {
  await post({listed: await labels()});
  video.requestVideoFrameCallback(look);
  for (;;) {
    const ended = !stream || stream.getVideoTracks()[0].readyState == "ended";
    if (ended || performance.now() - last > silence) {
      if (stream) stream.getTracks().forEach((track) => track.stop());
      stream = null;
      try { await open(); } catch (error) { await post({error: String(error)}); }
    }
    await wait(500);
  }
})();
</script>"""


def main(label: str, path: str) -> None:
    page = _PAGE.replace("LABEL", json.dumps(label)).replace("POINTS", json.dumps(POINTS)).encode()
    reported = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def do_POST(self) -> None:
            os.write(reported, self.rfile.read(int(self.headers["Content-Length"])) + b"\n")
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
