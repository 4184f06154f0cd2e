"""A real browser for tests: headless Chromium, told what to do through a pair of pipes.

Nothing is installed for it: where there is no Chromium, tests that need it are skipped.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

PATIENCE = 60
"""Seconds in which any answer or event comes, on a busy machine too."""


def find_browser() -> str | None:
    """The program of a Chromium, if there is one."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """One tab of a headless Chromium, by the DevTools protocol."""

    def __init__(self, program: str) -> None:
        self._profile = tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True)
        ours, theirs = os.pipe(), os.pipe()  # what it reads, what it writes
        options = [
            *("--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"),
            *("--no-first-run", "--disable-extensions", "--disable-background-networking"),
            f"--user-data-dir={self._profile.name}",
        ]
        # Chromium reads from 3 and writes to 4, whatever the numbers are here.
        shell = f'exec "$0" "$@" 3<&{ours[0]} 4>&{theirs[1]}'
        self._process = subprocess.Popen(
            ["bash", "-c", shell, program, *options],
            pass_fds=(ours[0], theirs[1]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(ours[0])
        os.close(theirs[1])
        self._write = os.fdopen(ours[1], "wb", buffering=0)
        self._read = theirs[0]
        self._unread = bytearray()
        self._number = 0
        self._session = ""
        self.messages: list[str] = []
        target = self._send("Target.createTarget", url="about:blank")["targetId"]
        attached = self._send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._send(f"{domain}.enable")
        self.width(1400)

    def close(self) -> None:
        """Ends the browser."""
        self._session = ""
        with suppress(OSError, EOFError, TimeoutError):
            self._send("Browser.close")
        self._write.close()
        os.close(self._read)
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._profile.cleanup()

    def open(self, path: Path, anchor: str = "") -> None:
        """Loads a file; `messages` then holds what went wrong in it."""
        self.messages.clear()
        # Another anchor alone would load nothing anew.
        self._load("about:blank")
        self._load(path.as_uri() + anchor)

    def _load(self, url: str) -> None:
        self._send("Page.navigate", url=url)
        self._until("Page.loadEventFired")

    def value(self, script: str) -> Any:
        """What an expression of JavaScript comes to; promises are waited for."""
        found = self._send(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def becomes(self, script: str, expected: Any) -> None:
        """Waits until an expression comes to a value; fails if it does not within ten seconds."""
        ends = time.monotonic() + 10
        while (found := self.value(script)) != expected and time.monotonic() < ends:
            self.value("new Promise(done => setTimeout(done, 20))")
        assert found == expected, script

    def press(self, key: str) -> None:
        """Presses and lets go one key of a letter or sign, or a named key such as Enter."""
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        code = {"Enter": 13, "Escape": 27, "Tab": 9}.get(key, ord(key[0].upper()))
        pressed = {"key": key, "windowsVirtualKeyCode": code}
        self._send("Input.dispatchKeyEvent", type="keyDown", text=text, **pressed)
        self._send("Input.dispatchKeyEvent", type="keyUp", **pressed)

    def width(self, pixels: int) -> None:
        """Makes the window so wide, and 1,000 pixels high."""
        size = {"width": pixels, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
        self._send("Emulation.setDeviceMetricsOverride", **size)

    def scheme(self, name: str) -> None:
        """Pretends that the user prefers `light` or `dark`."""
        features = [{"name": "prefers-color-scheme", "value": name}]
        self._send("Emulation.setEmulatedMedia", features=features)

    def _send(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._write.write(json.dumps(message).encode() + b"\0")
        ends = time.monotonic() + PATIENCE
        while True:
            answer = self._next(ends, f"{method} {parameters}")
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                result: dict[str, Any] = answer["result"]
                return result

    def _until(self, event: str) -> None:
        ends = time.monotonic() + PATIENCE
        while self._next(ends, event).get("method") != event:
            pass

    def _next(self, ends: float, what: str) -> dict[str, Any]:
        while (end := self._unread.find(b"\0")) < 0:
            if not select.select([self._read], [], [], max(0.0, ends - time.monotonic()))[0]:
                raise TimeoutError(f"in {PATIENCE} seconds the browser did not answer: {what}")
            some = os.read(self._read, 1 << 16)
            if not some:
                raise EOFError
            self._unread += some
        message: dict[str, Any] = json.loads(self._unread[:end])
        del self._unread[: end + 1]
        if message.get("method") in {"Runtime.exceptionThrown", "Log.entryAdded"}:
            self.messages.append(json.dumps(message["params"]))
        return message
