"""Dimensions of VBench, each by its published formula."""
