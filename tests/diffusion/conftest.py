"""The script beside the golden values needs diffusers, which the tests do not."""

collect_ignore = ["golden/make_diffusers.py"]
