"""Preview of what the running livebg sends, in a window or as an image file."""
