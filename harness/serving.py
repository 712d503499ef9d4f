"""Browse many runs from one page, on this machine only and read-only; nothing but Python's own HTTP server.

Who may read is who knows the token in the address. The server listens on 127.0.0.1, answers only to its own name (a
page elsewhere could have its name point here), and hands out what it has listed itself: no path of a request ever
reaches the disk. A report is a page of whoever made the run, so it is shown in a sandbox, where it sees neither this
list nor other reports, and reaches no network.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote_to_bytes

from harness.errors import UsageError
from harness.run_list import listed_runs, page, page_policy

HOST = "127.0.0.1"
DEEPEST = ("study.yaml", "*/study.yaml", "*/*/study.yaml")
"""Where runs lie below the folder that is served: itself, ``<run>``, ``<study>/<run>``."""
SANDBOX = (
    "sandbox allow-scripts allow-downloads; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data:; media-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
FILES = {"report.html": ("text/html; charset=utf-8", SANDBOX), "results.csv": ("text/csv; charset=utf-8", SANDBOX)}
"""What is handed out of a run: type and policy."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is sent."""

    status: int
    kind: str = "text/plain; charset=utf-8"
    policy: str = "default-src 'none'; frame-ancestors 'none'"
    body: bytes = b""


class RunServer(ThreadingHTTPServer):
    """Serves the runs below ``folder``; ``url`` is where."""

    daemon_threads = True

    def __init__(self, folder: Path, *, port: int = 0) -> None:
        """``port``: 0 takes a free one.

        Raises:
            UsageError: there is no such folder, or the port is taken.
        """
        if not folder.is_dir():
            raise UsageError(f"cannot serve {folder}: it is no folder. Give one that holds runs, e.g. runs.")
        self.folder = folder.resolve()
        self.token = secrets.token_urlsafe(24)
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise UsageError(
                f"cannot listen on port {port}: {error.strerror}. Leave --port out for a free one."
            ) from error

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_port}/{self.token}/"

    def answer(self, *, path: str, host: str | None) -> Answer:
        """What a reader gets who asks for ``path`` and calls us ``host``."""
        if host not in (f"{HOST}:{self.server_port}", f"localhost:{self.server_port}"):
            return Answer(status=403, body=b"This server answers to its own name only.\n")
        token, slash, name = unquote_to_bytes(path.partition("?")[0]).removeprefix(b"/").partition(b"/")
        if not secrets.compare_digest(token, self.token.encode()):
            return Answer(status=403, body=b"The address needs the token that `tpbench serve` printed.\n")
        if slash and not name:
            body = page(listed_runs(self.folder, self.roots(), names=FILES)).encode(errors="replace")
            return Answer(status=200, kind="text/html; charset=utf-8", policy=page_policy(), body=body)
        found = {os.fsencode(known): file for known, file in self.files()}.get(name)
        if found is None:
            return Answer(status=404, body=b"There is no such report.\n")
        kind, policy = FILES[found.name]
        return Answer(status=200, kind=kind, policy=policy, body=found.read_bytes())

    def roots(self) -> list[Path]:
        """The run folders, in the order of their names; a link that leads out of the folder is none."""
        found = {file.parent for pattern in DEEPEST for file in self.folder.glob(pattern)}
        return sorted(root for root in found if root.resolve().is_relative_to(self.folder))

    def files(self) -> Iterator[tuple[str, Path]]:
        """Everything that may be asked for: name in the address and file."""
        for root in self.roots():
            for name in FILES:
                file = root / name
                if file.is_file() and file.resolve().is_relative_to(self.folder):
                    yield (root / name).relative_to(self.folder).as_posix(), file


class _Handler(BaseHTTPRequestHandler):
    server: RunServer
    server_version = "tpbench"
    sys_version = ""
    timeout = 10
    """Seconds for a reader to say what it wants."""

    def do_GET(self) -> None:
        self._send(self.server.answer(path=self.path, host=self.headers.get("Host")))

    def do_HEAD(self) -> None:
        self.do_GET()

    def _refuse(self) -> None:
        self._send(Answer(status=405, body=b"Nothing can be changed here.\n"))

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _refuse  # noqa: N815  the base class looks for these names

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        headers = {
            "Content-Type": answer.kind,
            "Content-Length": str(len(answer.body)),
            "Content-Security-Policy": answer.policy,
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",  # the address holds the token
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            **({"Allow": "GET, HEAD"} if answer.status == 405 else {}),
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:
        """Silent: a log of addresses would hold the token."""
