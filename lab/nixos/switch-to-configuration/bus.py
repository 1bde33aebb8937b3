"""As much of the D-Bus protocol as a switch needs."""

import os
import select
import socket
import struct
from collections import deque

CALL, REPLY, ERROR, SIGNAL = 1, 2, 3, 4
FIELDS = {1: "path", 2: "interface", 3: "member", 4: "error", 5: "reply_to", 8: "signature"}


class BusError(Exception):
    """The answer to a call was an error; its text is the message."""


class Bus:
    """A connection. Signals go to `on_signal(member, arguments)` while we wait for something."""

    def __init__(self, path):
        self.on_signal = lambda member, arguments: None
        self.serial = 0
        self.data = b""
        self.replies = {}
        self.signals = deque()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(path)
        uid = str(os.geteuid()).encode().hex().encode()
        self.socket.sendall(b"\0AUTH EXTERNAL " + uid + b"\r\nBEGIN\r\n")
        while b"\r\n" not in self.data:
            self._receive()
        answer, self.data = self.data.split(b"\r\n", 1)
        if not answer.startswith(b"OK"):
            raise OSError(f"the bus refused us: {answer.decode()}")
        self._daemon("Hello")

    def _daemon(self, method, signature="", *arguments):
        name = "org.freedesktop.DBus"
        return self.call(name, "/org/freedesktop/DBus", name, method, signature, *arguments)

    def add_match(self, rule):
        self._daemon("AddMatch", "s", rule)

    def call(self, *message):
        """Sends a call and waits for its answer: a tuple of values."""
        return self._answer(self.send(*message))

    def call_all(self, messages):
        """Many calls at once; None in place of an error."""
        serials = [self.send(*message) for message in messages]
        answers = []
        for serial in serials:
            try:
                answers.append(self._answer(serial))
            except BusError:
                answers.append(None)
        return answers

    def send(self, destination, path, interface, member, signature="", *arguments):
        """Sends a call (destination, path, interface, member, signature, arguments...)."""
        self.serial += 1
        body = Writer()
        body.values(signature, arguments)
        fields = [(1, "o", path), (2, "s", interface), (3, "s", member), (6, "s", destination)]
        if signature:
            fields.append((8, "g", signature))
        head = Writer()
        head.data += struct.pack("<BBBBII", ord("l"), CALL, 0, 1, len(body.data), self.serial)
        head.value("a(yv)", fields)
        head.align(8)
        self.socket.sendall(bytes(head.data + body.data))
        return self.serial

    def _answer(self, serial):
        while serial not in self.replies:
            self._receive()
            self._sort()
        kind, arguments = self.replies.pop(serial)
        if kind == ERROR:
            raise BusError(arguments[0] if arguments else "unknown error")
        return arguments

    def process(self, seconds):
        """Handles what comes within the time; whether anything came."""
        came = bool(self.signals)
        if not came and select.select([self.socket], [], [], seconds)[0]:
            self._receive()
            self._sort()
            came = True
        while self.signals:
            self.on_signal(*self.signals.popleft())
        return came

    def _receive(self):
        data = self.socket.recv(1 << 18)
        if not data:
            raise OSError("the bus closed the connection")
        self.data += data

    def _sort(self):
        while (message := self._next()) is not None:
            kind, fields, arguments = message
            if kind == SIGNAL:
                self.signals.append((fields["member"], arguments))
            elif "reply_to" in fields:
                self.replies[fields["reply_to"]] = (kind, arguments)

    def _next(self):
        if len(self.data) < 16:
            return None
        order = "<" if self.data[0] == ord("l") else ">"
        body, _, fields = struct.unpack_from(order + "III", self.data, 4)
        start = 16 + fields + -fields % 8
        if len(self.data) < start + body:
            return None
        head = Reader(self.data[:start], order, 12)
        fields = {FIELDS.get(code): value for code, value in head.value("a(yv)")}
        rest = Reader(self.data[start : start + body], order)
        arguments = rest.values(fields.get("signature", ""))
        kind = self.data[1]
        self.data = self.data[start + body :]
        return kind, fields, arguments


NUMBERS = {"y": "B", "b": "I", "n": "h", "q": "H", "i": "i", "u": "I", "x": "q", "t": "Q", "d": "d"}
ALIGNMENT = {"s": 4, "o": 4, "a": 4, "g": 1, "v": 1, "(": 8, "{": 8}
SIZE = {code: struct.calcsize("<" + form) for code, form in NUMBERS.items()}
ALIGNMENT.update(SIZE)


def split(signature):
    """The complete types that a signature consists of."""
    types, start, depth, at = [], 0, 0, 0
    while at < len(signature):
        char = signature[at]
        at += 1
        depth += (char in "({") - (char in ")}")
        if depth == 0 and char != "a":
            types.append(signature[start:at])
            start = at
    return types


class Writer:
    def __init__(self):
        self.data = bytearray()

    def align(self, size):
        self.data += bytes(-len(self.data) % size)

    def values(self, signature, values):
        for kind, value in zip(split(signature), values):
            self.value(kind, value)

    def value(self, kind, value):
        self.align(ALIGNMENT[kind[0]])
        if kind in NUMBERS:
            self.data += struct.pack("<" + NUMBERS[kind], value)
        elif kind in ("s", "o", "g"):
            text = value.encode()
            self.data += struct.pack("<B" if kind == "g" else "<I", len(text)) + text + b"\0"
        elif kind[0] == "a":
            at = len(self.data)
            self.data += bytes(4)
            self.align(ALIGNMENT[kind[1]])
            start = len(self.data)
            for item in value:
                self.value(kind[1:], item)
            struct.pack_into("<I", self.data, at, len(self.data) - start)
        elif kind == "(yv)":
            code, form, content = value
            self.value("y", code)
            self.value("g", form)
            self.value(form, content)


class Reader:
    def __init__(self, data, order, at=0):
        self.data = data
        self.order = order
        self.at = at
        self.cache = {}

    def values(self, signature):
        return tuple(self.value(kind) for kind in split(signature))

    def value(self, kind):
        first = kind[0]
        size = ALIGNMENT[first]
        self.at += -self.at % size
        if first in NUMBERS:
            (value,) = struct.unpack_from(self.order + NUMBERS[first], self.data, self.at)
            self.at += size
            return bool(value) if first == "b" else value
        if first in "sog":
            form, width = ("B", 1) if first == "g" else ("I", 4)
            (length,) = struct.unpack_from(self.order + form, self.data, self.at)
            start = self.at + width
            self.at = start + length + 1
            return self.data[start : start + length].decode("utf-8", "surrogateescape")
        if first == "v":
            return self.value(self.value("g"))
        if first == "a":
            (length,) = struct.unpack_from(self.order + "I", self.data, self.at)
            self.at += 4
            self.at += -self.at % ALIGNMENT[kind[1]]
            end = self.at + length
            items = []
            while self.at < end:
                items.append(self.value(kind[1:]))
            return items
        if kind not in self.cache:
            self.cache[kind] = split(kind[1:-1])
        return tuple([self.value(part) for part in self.cache[kind]])
