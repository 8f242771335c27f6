"""A browser without a window, told what to do through the pipe of the DevTools protocol."""

import itertools
import json
import os
import select
import shutil
import subprocess
from contextlib import contextmanager

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
"""Where Chromium is; None where there is none."""

PATIENCE = 20
"""Seconds after which a silent browser is given up."""


class Tab:
    """A tab; `problems` holds what its console has said, violations of the policy among it."""

    def __init__(self, to_browser, from_browser):
        self.ends, self.read = (to_browser, from_browser), b""
        self.numbers, self.problems, self.session = itertools.count(1), [], None
        self.script = True
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def _next(self):
        while b"\0" not in self.read:
            ready, _, _ = select.select([self.ends[1]], [], [], PATIENCE)
            assert ready, f"the browser has said nothing for {PATIENCE} s"
            more = os.read(self.ends[1], 1 << 16)
            assert more, "the browser has ended"
            self.read += more
        told, _, self.read = self.read.partition(b"\0")
        message = json.loads(told)
        if message.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown"):
            self.problems.append(json.dumps(message["params"]))
        return message

    def call(self, method, **parameters):
        """Call a method of the protocol and return its result."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.ends[0], json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != number:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    def open(self, path, width=1400, height=900, script=True, dark=False):
        """Load a file and wait until it is there."""
        self.script = script
        self.call("Emulation.setScriptExecutionDisabled", value=not script)
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.call("Emulation.setDeviceMetricsOverride", **metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=path.as_uri())
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def run(self, expression):
        """Return the value of a JavaScript expression, once the page has painted."""
        if self.script:  # nothing is waited for where no script runs
            painted = "new Promise((r) => requestAnimationFrame(() => setTimeout(r)))"
            expression = f"{painted}.then(() => {expression})"
        told = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=self.script
        )
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def press(self, key):
        """Press and release a key."""
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key)


@contextmanager
def browser(folder):
    """Start Chromium with its profile in a folder, and yield a tab of it."""
    import fcntl  # which not every system has

    ends = [os.pipe(), os.pipe()]
    # away from 3 and 4, which are the protocol's
    theirs = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (ends[0][0], ends[1][1])]

    def place():
        os.dup2(theirs[0], 3)
        os.dup2(theirs[1], 4)

    process = subprocess.Popen(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
         f"--user-data-dir={folder}", "--no-first-run", "--hide-scrollbars"],
        preexec_fn=place, pass_fds=(3, 4), stderr=subprocess.DEVNULL,
    )  # fmt: skip
    for fd in (*theirs, ends[0][0], ends[1][1]):
        os.close(fd)
    try:
        yield Tab(ends[0][1], ends[1][0])
    finally:
        process.kill()
        process.wait()
        os.close(ends[0][1])
        os.close(ends[1][0])
