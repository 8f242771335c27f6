"""The walk through one update: its mini-batch, and the equations of its passes in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from backpass.core.optimizers import OPTIMIZERS
from backpass.derivatives.batch import Subject, subject
from backpass.derivatives.tracing import Trace, trace
from backpass.derivatives.tracing.network_picture import network_picture
from backpass.derivatives.tracing.recording import Recording, Values, record_update
from backpass.derivatives.tracing.steps import Section, Step, update_step
from backpass.derivatives.tracing.to_html import quantities, step_html
from backpass.derivatives.tracing.trace import WITHOUT_GRADIENTS
from backpass.errors import InputError
from backpass.page.course import Course
from backpass.page.setup import Setup

MOST_ROWS = 4096
"""Of a mini-batch that is shown: every number of its passes is kept."""

SHOWN = 36
"""The most entries of an array that are shown: 6 × 6 have room beside the picture."""


class Walk:
    """The steps of the update that a course takes next; or of one row, which stays the same."""

    def __init__(self, course: Course, setup: Setup, kept: int | None = None) -> None:
        rows, self.kept = course.next_rows() if kept is None else np.array([kept]), kept
        if len(rows) > MOST_ROWS:
            raise InputError(
                f"an update of {len(rows):,} rows is more than the page can show; choose a "
                f"mini-batch of up to {MOST_ROWS:,}"
            )
        self.rows, self.course, self.setup, self.update = rows, course, setup, course.update
        X, y = course.rows.X[rows], course.y[rows]
        alpha = course.problem.alpha_in_cost
        self.batch: Subject = subject(course.network, X, y, alpha=alpha)
        names = course.rows.outputs
        self.trace: Trace = trace(
            course.network, X, y, notation=setup.notation, form=setup.form, alpha=alpha,
            max_elements=SHOWN, input_names=course.rows.inputs or None,
            output_names=names if len(names) == course.network.sizes[-1] else None,
        )  # fmt: skip
        self.recording: Recording = self.trace.recording
        sections = self.trace.sections
        if setup.form not in WITHOUT_GRADIENTS:
            steps = [*sections[-1].steps, *(self._updates() if kept is None else [])]
            sections = (*sections[:-1], Section(sections[-1].title, steps))
        self.steps: Sequence[tuple[Section, Step]] = [
            (section, step) for section in sections for step in section.steps
        ]
        self._pictures: dict[str, str] = {}

    def _updates(self) -> list[Step]:
        """Return the update of every layer, from the optimiser's present state."""
        run, setup = self.course.run, self.setup
        optimizer = OPTIMIZERS.get_record(setup.optimizer)
        record_update(
            self.batch, self.recording, optimizer, setup.learning_rate, setup.alpha,
            run.state, run.steps + 1,
        )  # fmt: skip
        values = Values(self.trace.notation, self.recording)
        return [update_step(values, layer, optimizer) for layer in range(1, self.trace.last + 1)]

    def html(self, at: int) -> str:
        """Return a step: its equation with this run's numbers."""
        return step_html(self.trace, self.steps[at][1], region="formulas")

    def about(self, at: int) -> tuple[list[str], list[str]]:
        """Return the quantities that a step computes, and those that it computes them from."""
        return quantities(self.steps[at][1])

    def picture(self, at: int) -> str:
        """Return the network with the numbers of the step's sample."""
        section = self.steps[at][0]
        if section.title not in self._pictures:
            seen = section.steps[0].lines[0].values.recording
            drawn = network_picture(replace(self.trace, recording=seen), held=True)
            self._pictures[section.title] = drawn
        return self._pictures[section.title]

    @property
    def several(self) -> bool:
        """Whether there are pictures of several samples."""
        return len({section.title for section, _ in self.steps}) > 1
