"""The live session: from the camera to the virtual camera, without one frame of the room getting out that should not."""
