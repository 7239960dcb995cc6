"""Looking at oneself: what the running livebg sends, in a window or as a picture, from livebg itself."""
