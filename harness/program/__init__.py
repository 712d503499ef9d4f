"""The ``command`` generator: any program, in an environment of its own, makes the videos of a study.

docs/command.md tells a stranger how to write such a program. Here, ``options`` is what a study says of it,
``protocol`` the two JSON documents, ``videos`` the files that it leaves, ``pipes``, ``process`` and ``watchdog`` its
life and death, and ``generator`` what the harness sees.
"""
