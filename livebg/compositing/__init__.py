"""From a frame and its matte to the composite that may be shown, and the backgrounds."""
