"""Renders recorded files: the frame loop, lookahead, photos, batches of files, and progress reports."""
