"""The live session: from the camera to the virtual camera. Raw frames never leave it."""
