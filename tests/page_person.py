"""A person before the page of ``backpass play``, in Chromium: with a mouse, fingers or keys."""

import json
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

AXE = Path(__file__).parent / "browser/node_modules/axe-core/axe.min.js"

SIZES = {
    "desktop": {"viewport": {"width": 1400, "height": 900}},
    "phone": {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True},
}

# what Chromium asks its makers for by itself is off, so that its log holds the page's requests only
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip

MOST_TABS = 120
"""Presses of the Tab key in which everything on the page is reached."""

PAINTED = "new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"


@contextmanager
def served(*arguments):
    """Start ``backpass play`` and yield the process and its address."""
    command = [sys.executable, "-m", "backpass", "play", "--no-browser", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:
        try:
            yield process, process.stdout.readline().split()[0]
        finally:
            process.kill()


def asked(net_log):
    """Return the origins that pages have asked for something, by the browser's own log.

    What the browser asks its makers for by itself has no origin, and is not the page's.
    """
    log = json.loads(net_log.read_text())
    kind = log["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    told = [event.get("params", {}) for event in log["events"] if event["type"] == kind]
    pages = [
        one["url"] for one in told if "url" in one
        if one["initiator"] != "not an origin" or one["request_type"] == "main frame"
    ]  # fmt: skip
    return {re.sub(r"^(\w+://[^/:]+).*", r"\1", url) for url in pages if "://" in url}


def shown(value):
    """Return a number as the page shows it among others: four significant digits."""
    return float(f"{value:.4g}")


class Person:
    """Does what a person does, and waits until the page has answered."""

    def __init__(self, page, size, keys=False):
        self.page, self.size, self.keys = page, size, keys
        self.problems = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on(
            "console", lambda told: self.problems.append(told.text) if told.type == "error" else 0
        )

    def open(self, address):
        self.does(lambda: self.page.goto(address))
        return self

    def does(self, act):
        """Do something that the page sends to the server, and wait for what comes of it."""

        def asked(answer):
            sent = answer.request.post_data_buffer or b""
            return answer.request.method == "POST" and b'"refresh"' not in sent

        with self.page.expect_response(asked) as answer:
            act()
        answer.value.finished()
        self.page.evaluate(PAINTED)

    # --- by mouse, finger or key ---------------------------------------------------------------

    def reach(self, where):
        """Go to an element by the Tab key alone."""
        focused = f"document.activeElement?.matches({json.dumps(where)})"
        for _ in range(MOST_TABS):
            if self.page.evaluate(focused):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"{where} is not reached by keys")

    def activate(self, where):
        if self.keys:
            self.reach(where)
            self.page.keyboard.press("Enter")
        elif self.size == "phone":
            self.page.tap(where)
        else:
            self.page.click(where)

    def press(self, where):
        self.does(lambda: self.activate(where))

    def unfold(self, part):
        """Open the panel that a part of the page is in."""
        self.activate(f"details:has(#{part}) > summary")

    def go(self, where):
        """Go a step on or back, or over the whole update."""
        if self.keys:
            key = {"next": "ArrowRight", "back": "ArrowLeft", "update": "u"}[where]
            self.does(lambda: self.page.keyboard.press(key))
        else:
            self.press(f"#go-{where}")

    def choose(self, where, value):
        """Choose an option; with the arrow keys every one on the way is chosen, too."""
        if not self.keys:
            self.does(lambda: self.page.select_option(where, value))
            return
        self.reach(where)
        read = "(options) => options.map((option) => option.value)"
        values = self.page.locator(f"{where} option").evaluate_all(read)
        way = values.index(value) - values.index(self.page.input_value(where))
        for _ in range(abs(way)):
            self.does(lambda: self.page.keyboard.press("ArrowDown" if way > 0 else "ArrowUp"))

    def slide(self, where, part):
        """Move a slider to a part of its length, by its ends with keys."""
        if self.keys:
            self.reach(where)
            self.page.keyboard.press("End" if part > 0.5 else "Home")
            return
        box = self.page.locator(where).bounding_box()
        at = {"x": 2 + part * (box["width"] - 4), "y": box["height"] / 2}
        (self.page.tap if self.size == "phone" else self.page.click)(where, position=at)

    def give(self, where, path):
        """Give a file to a field that asks for one."""
        with self.page.expect_file_chooser() as asked:
            self.activate(where)
        self.does(lambda: asked.value.set_files(path))

    def drop(self, where, path):
        """Drop a file on a part of the page."""
        make = """([name, text]) => {
            const carried = new DataTransfer();
            carried.items.add(new File([text], name));
            return carried;
        }"""
        carried = self.page.evaluate_handle(make, [path.name, path.read_text()])
        self.does(lambda: self.page.dispatch_event(where, "drop", {"dataTransfer": carried}))

    def write(self, where, text):
        """Write into a field, in place of what is there."""
        if self.keys:
            self.reach(where)
            self.page.keyboard.press("Control+A")
            self.page.keyboard.insert_text(text)
        else:
            self.page.fill(where, text)

    def put(self, where, text):
        """Write into a field whose value is sent at once."""
        self.write(where, text)
        self.does(lambda: self.page.keyboard.press("Enter"))

    # --- what is seen --------------------------------------------------------------------------

    def sees(self, where):
        return self.page.inner_text(where)

    def number(self, where):
        return float(self.sees(where).replace("−", "-"))

    @property
    def step(self):
        """The equation's number in the update, and what it is."""
        return self.page.get_attribute("#equation", "data-heard")

    def result(self, size):
        """Return the last numbers of the equation: what the step has computed."""
        numbers = self.page.locator("#equation math mn").all_text_contents()
        return [float(number.replace("−", "-")) for number in numbers[-size:]]

    @property
    def too_wide(self):
        return self.page.evaluate("document.documentElement.scrollWidth > innerWidth")

    def violations(self):
        """Return what axe finds; of the dark page by colours only, since all else is the same."""
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = []
        for scheme, rules in ("light", ""), ("dark", "runOnly: ['color-contrast'],"):
            self.page.emulate_media(color_scheme=scheme)
            run = f"axe.run({{{rules} resultTypes: ['violations']}})"
            for one in self.page.evaluate(run)["violations"]:
                found.append((scheme, one["id"], [node["target"] for node in one["nodes"]]))
        return found
