"""A sandbox's runtime: /health, on port 8080 of its container's network."""

import json
import os
import socket
import socketserver
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# What /health says was never bumped: it cannot tell which release answers.
REPORTED_VERSION = "0.1.0"
PACKAGE_VERSION = "@version@"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path != "/health":
            self.answer(404, {"error": "not found"})
            return
        self.answer(
            200,
            {
                "status": "healthy",
                "service": "choiros-sandbox",
                "version": REPORTED_VERSION,
                "instance_role": os.environ.get("INSTANCE_ROLE", ""),
                "hostname": os.environ.get("INSTANCE_NAME", ""),
            },
        )

    do_HEAD = do_GET

    def answer(self, status, content):
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
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
    server = Server(("0.0.0.0", 8080), Handler)
    print(f"sandbox {PACKAGE_VERSION} listens on 8080", flush=True)
    ready()
    server.serve_forever()
