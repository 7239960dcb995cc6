"""From a frame and its alpha to the composite that may be shown, and the backgrounds."""
