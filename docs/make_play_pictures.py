"""Draw the pictures of the page: a person's visit, photographed.

``PYTHONPATH=tests python docs/make_play_pictures.py``, with what tests/test_page_browser.py needs.
"""

import pathlib

from playwright.sync_api import sync_playwright

from page_person import ARGUMENTS, Person, served

IMAGES = pathlib.Path(__file__).parent / "images"

with served("example:moons") as (_, address), sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
    page = browser.new_page(viewport={"width": 1200, "height": 900})
    person = Person(page, "desktop").open(address)

    def photograph(name, heading):
        """Write the part of the page under a heading as a picture."""
        page.evaluate("document.activeElement.blur()")  # no ring of the focus in the picture
        page.mouse.move(0, 0)
        part = page.locator(f"section[aria-labelledby={heading}]")
        part.evaluate("(part) => { part.style.padding = '12px'; }")
        part.screenshot(path=IMAGES / name)

    for _ in range(40):
        person.press("#epoch")
    photograph("play-train.png", "train-head")
    person.unfold("build")
    person.choose("#data", "xor")
    person.choose("#notation", "nabla")
    for _ in range(6):
        person.press("#go-next")
    photograph("play-step.png", "step-head")
    person.press("[data-hold=W-2-0-0] .bp-wide + line")
    person.slide("#epsilon", 0.8)
    page.wait_for_timeout(500)  # until the curve has followed
    photograph("play-hold.png", "hold-head")
    browser.close()
