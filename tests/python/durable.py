"""Durable events and a command over the wire protocol, written from docs/protocol.md alone.

usage: durable.py URL TRANSPORT, with the token as first line on stdin; at the next line it comes back. Prints what happened, as JSON lines.
"""

import sys
import threading
import uuid

from client import TIMEOUT_S, RealtimeClient, RealtimeError, tell

DURABLE = ["order:shipped", "group:renamed"]
ROOM = {"kind": "group", "id": "a b/ü"}


def log_of(room, user_id):
    return f"{room['kind']}:{room['id']}" if room else f"user:{user_id}"


class Places:
    """Where this device is in each log; they outlive a connection."""

    def __init__(self):
        self.by_log = {}

    def take(self, log, meta):
        """Moves on. False for an event that has been had."""
        place = self.by_log.get(log)
        had = place is not None and place["epoch"] == meta["epoch"] and meta["sequence"] <= place["sequence"]
        if not had:
            self.put(log, meta)
        return not had

    def put(self, log, meta):
        self.by_log[log] = {name: meta[name] for name in ("epoch", "sequence", "atMs")}


class Device(RealtimeClient):
    """One connection of a device that takes durable events."""

    def __init__(self, places):
        super().__init__("python-2")
        self.handshake.update(features=["meta"], since=places.by_log)
        self.places = places
        self.caught_up = {"user": threading.Event(), "room": threading.Event()}
        self.receipts = []
        self.confirm = threading.Event()
        for event in DURABLE:
            self.on(event, self._listener(event))
        self.on("$gap", self._gap)
        self.on("$caughtUp", self._caught_up)

    def acknowledge(self):
        self.confirm.wait(TIMEOUT_S)
        self.request("$ack", {"receipts": self.receipts})

    def _listener(self, event):
        def take(payload, meta):
            if self.places.take(self._log_of(meta), meta):
                tell(event, payload)
            if meta.get("confirm"):
                self.receipts.append({name: meta[name] for name in ("epoch", "sequence", "atMs")})
                self.confirm.set()

        return take

    def _gap(self, notice):
        self.places.put(self._log_of(notice), notice)
        tell("gap", [notice.get("room"), notice["from"], notice.get("to"), notice["reason"]])

    def _caught_up(self, notice):
        self.places.put(self._log_of(notice), notice)
        tell("caught up", [notice.get("room"), notice["resumed"]])
        self.caught_up["room" if "room" in notice else "user"].set()

    def _log_of(self, meta):
        return log_of(meta.get("room"), self.session["userId"])


def connect(places, url, transport, token):
    device = Device(places)
    device.connect(url, transport, token)
    device.request("$join", ROOM)
    for caught_up in device.caught_up.values():
        caught_up.wait(TIMEOUT_S)
    return device


def main():
    url, transport = sys.argv[1:]
    token = sys.stdin.readline().strip()
    places = Places()

    device = connect(places, url, transport, token)
    key = {"key": uuid.uuid4().hex}
    for item in ["tea", "tea", "coffee"]:  # asked, asked again, and another payload with the same key
        try:
            tell("placed", device.request("order:place", ({"item": item}, key)))
        except RealtimeError as error:
            tell("refused", error.code)
    tell("ready")
    device.acknowledge()
    device.close()

    tell("away")
    sys.stdin.readline()
    device = connect(places, url, transport, token)
    tell("back")
    device.close()


main()
