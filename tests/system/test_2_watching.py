"""Somebody looks at the camera, and somebody else: what they see, and when the real camera is on."""

from tests.system.call import Call


def test_listed_before_anybody_looks(call: Call) -> None:
    call.start(cold=True)
    call.guest.wait_for("the node says that it is a camera", lambda: call.faces() == {"Capture"})
    call.becomes("asleep")
    status = call.status()
    assert status["camera"]["opened"] == 0
    assert not call.camera_is_open()


def test_somebody_looks(call: Call) -> None:
    call.running()
    with call.watching() as watcher:
        seen = watcher.sees("composite", 5)
        assert call.camera_is_open()
        call.becomes("live")
    assert seen[0].data.size == 320 * 180 * 3 // 2
    call.becomes("asleep")
    assert not call.camera_is_open()
