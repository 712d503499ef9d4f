"""Bytes to frames, one file per kind of video; :mod:`harness.video` is the door."""
