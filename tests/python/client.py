"""A client of the wire protocol, written from docs/protocol.md alone, on Debian's python3-socketio.

usage: client.py URL TRANSPORT, with the token and a fresh one as two lines on stdin. Prints what happened, as JSON lines.
"""

import json
import sys
import threading

import socketio

TIMEOUT_S = 20


class RealtimeError(Exception):
    def __init__(self, error):
        super().__init__(error["message"])
        self.code = error["code"]
        self.data = error.get("data")


class RealtimeClient:
    """Says who it is, knows when it is in, and reads the envelope of answers."""

    def __init__(self, device):
        self.socket = socketio.Client(reconnection=False)
        self.handshake = {"protocol": 1, "device": device}
        self.session = None
        self.refusal = None
        self._decided = threading.Event()
        self.socket.on("authenticated", self._authenticated)
        self.socket.on("connect_error", self._refused)

    def connect(self, url, transport, token):
        auth = {"token": token, "realtime": self.handshake}
        try:
            self.socket.connect(url, auth=auth, transports=[transport], wait=False)
            self._decided.wait(TIMEOUT_S)  # the first event, or a refusal
        except socketio.exceptions.ConnectionError as error:
            self.refusal = {"code": "UNAVAILABLE", "message": str(error)}
        if self.session is None:
            self.close()  # a refusal leaves the transport open
            raise RealtimeError(self.refusal or {"code": "UNAVAILABLE", "message": "The server does not answer"})
        return self.session

    def on(self, event, listener):
        self.socket.on(event, listener)

    def emit(self, event, *payload):
        self.socket.emit(event, *payload)

    def request(self, event, *payload):
        reply = self.socket.call(event, *payload, timeout=TIMEOUT_S)
        if not reply["ok"]:
            raise RealtimeError(reply["error"])
        return reply.get("data")

    def handle(self, event, handler):
        """Answers requests of the server."""
        self.socket.on(event, lambda *payload: {"ok": True, "data": handler(*payload)})

    def reauthenticate(self, token):
        self.session = self.request("$authenticate", {"token": token})
        return self.session

    def close(self):
        self.socket.disconnect()

    def _authenticated(self, session):
        self.session = session
        self._decided.set()

    def _refused(self, error=None):
        self.refusal = error.get("data") if isinstance(error, dict) else None
        self._decided.set()


def tell(what, value=None):
    print(json.dumps([what, value]) + "\n", end="", flush=True)  # in one piece: listeners run in another thread


def main():
    url, transport = sys.argv[1:]
    token, fresh_token = sys.stdin.readline().strip(), sys.stdin.readline().strip()

    stranger = RealtimeClient("stranger")
    try:
        stranger.connect(url, transport, "none")
    except RealtimeError as error:
        tell("refused", error.code)

    client = RealtimeClient("python-1")
    told = threading.Event()
    errors, presence, ended = threading.Event(), threading.Event(), threading.Event()
    client.on("note", lambda payload: (tell("note", payload), told.set()))
    client.on("error", lambda error: (tell("error", error), errors.set()))
    client.on("$presence", lambda notice: (tell("presence", notice), presence.set()))
    client.on("$disconnect", lambda notice: (tell("disconnect", notice), ended.set()))
    client.handle("confirm", lambda payload: {"yes": payload["question"] == "Python?"})
    tell("authenticated", client.connect(url, transport, token))

    client.emit("say", {"text": "without an answer"})
    told.wait(TIMEOUT_S)  # the server's handler emits a note
    tell("reply", client.request("echo", {"text": "Grüße, 世界"}))
    try:
        client.request("take", {"id": "7"})
    except RealtimeError as error:
        tell("declared", [error.code, error.data])
    client.emit("take", {"id": 7})
    errors.wait(TIMEOUT_S)

    tell("joined", client.request("$join", {"kind": "group", "id": "42"}))
    presence.wait(TIMEOUT_S)  # somebody else joins
    try:
        client.request("$join", {"kind": "group", "id": "closed"})
    except RealtimeError as error:
        tell("kept out", error.code)
    tell("left", client.request("$leave", {"kind": "group", "id": "42"}))

    tell("renewed", client.reauthenticate(fresh_token))
    tell("ready")
    ended.wait(TIMEOUT_S)
    client.close()


if __name__ == "__main__":
    main()
