"""Stands in for any AWS service that a client may be pointed at: reads the key off every signature, and says yes."""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class SignedService:
    """Looks enough like an empty S3 bucket. ``keys`` are the access key ids it was asked with."""

    def __init__(self) -> None:
        seen = self.keys = set[str]()

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                if found := re.search(r"Credential=(\w+)/", self.headers.get("Authorization", "")):
                    seen.add(found[1])
                body = b'<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>'
                self.send_response(200)
                self.send_header("Content-Type", "application/xml")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_HEAD = do_PUT = do_POST = answer  # noqa: N815 - names that http.server looks for

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - http.server's word
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
