"""The hypervisor: /health and /login, the desktop's files below /desktop, all else is /login's."""

import json
import mimetypes
import os
import socket
import socketserver
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = "@version@"
PORT = int(os.environ.get("HYPERVISOR_PORT", "9090"))
DESKTOP = os.environ.get("FRONTEND_DIST", "")
# The release that started this process; it outlives a switch that does not restart it.
LABEL = "/run/current-system/nixos-version"
RELEASE = open(LABEL, encoding="utf-8").read() if os.path.exists(LABEL) else "unknown"
LOGIN = f"""<!doctype html>
<html lang="en"><title>ChoirOS</title>
<h1>ChoirOS</h1>
<p>hypervisor {VERSION}. <a href="/desktop/index.html">Desktop</a></p>
</html>
"""


def health():
    return 200, {
        "status": "healthy",
        "service": "hypervisor",
        "version": VERSION,
        "release": RELEASE,
    }


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        path = self.path.split("?")[0]
        if path == "/health":
            status, answer = health()
            self.answer(status, "application/json", json.dumps(answer))
        elif path == "/login":
            self.answer(health()[0], "text/html; charset=utf-8", LOGIN)
        elif path.startswith("/desktop/"):
            self.file(os.path.basename(path))
        else:
            self.send_response(302)
            self.send_header("Location", "/login")
            self.send_header("Content-Length", "0")
            self.end_headers()

    do_HEAD = do_GET

    def file(self, name):
        try:
            with open(os.path.join(DESKTOP, name or "index.html"), encoding="utf-8") as file:
                text = file.read()
        except OSError:
            self.answer(404, "text/plain", "not found\n")
            return
        self.answer(200, mimetypes.guess_type(name)[0] or "text/html", text)

    def answer(self, status, kind, text):
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    def server_bind(self):
        # Without the look-up of our own name, which waits for a DNS server that may not be there.
        socketserver.TCPServer.server_bind(self)


def ready():
    """Tells systemd that the port is open."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.sendto(b"READY=1", address.replace("@", "\0", 1))


if __name__ == "__main__":
    server = Server(("0.0.0.0", PORT), Handler)
    print(f"hypervisor {VERSION} listens on {PORT}", flush=True)
    ready()
    server.serve_forever()
