"""``tpbench new generator NAME``: a plugin package that works from the start, to be changed where it says."""

from __future__ import annotations

import keyword
import re
import sys
from importlib import resources
from pathlib import Path
from string import Template

from harness.errors import UsageError
from harness.registry import installed

OURS = ("harness", "tpdiff", "baselines", "reports", "tests")

# Template in this folder -> file in the new package.
FILES = {
    "generator.py.txt": "$module.py",
    "pyproject.toml.txt": "pyproject.toml",
    "readme.md.txt": "README.md",
    "test_plugin.py.txt": "tests/test_$module.py",
}


def new_generator(name: str, folder: Path) -> Path:
    """Write the package ``folder/name``; returns its path.

    ``name`` is what studies will call the generator; module and class are named after it.

    Raises:
        UsageError: the name cannot be one of a package, is taken, or the folder is not empty.
    """
    words = _words(name)
    root = folder / name
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise UsageError(f"cannot write {root}: it exists already. Choose another name, or another --into folder.")
    names = {"name": name, "module": words[0], "cls": words[1]}
    templates = resources.files("harness.scaffold")
    for template, target in FILES.items():
        text = Template(templates.joinpath(template).read_text(encoding="utf-8")).substitute(names)
        path = root / Template(target).substitute(names)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def _words(name: str) -> tuple[str, str]:
    """Module and class name for a generator's name, which is checked.

    >>> _words("keep-first2")
    ('keep_first2', 'KeepFirst2')
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or len(name) > 64:
        near = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-0123456789")
        hint = f" Did you mean '{near}'?" if re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", near) else ""
        raise UsageError(
            f"'{name}' cannot name a generator: it needs lower-case letters, digits and single '-' "
            f"between them, a letter first, at most 64 characters.{hint}"
        )
    module = name.replace("-", "_")
    if keyword.iskeyword(module) or module in sys.stdlib_module_names or module in OURS:
        raise UsageError(f"'{name}' cannot name a generator: Python or tpbench has a module '{module}'. Add a word.")
    taken = installed("generators")
    if name in taken:
        raise UsageError(f"'{name}' is taken: {taken[name].distribution} ships a generator of that name.")
    return module, "".join(word.capitalize() for word in name.split("-"))
