"""What the commands do, once their arguments are known."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backpass.cli.arguments import (
    Output,
    check_folder,
    check_is_file,
    check_model_place,
    check_numbers,
    check_outputs,
    column_names,
    default_model,
    hidden_sizes,
    possible_names,
)
from backpass.cli.interrupts import INTERRUPTED
from backpass.cli.output import Messages
from backpass.errors import InputError, TableError
from backpass.storage.atomic_write import shown_path
from backpass.tabular.formatting import one_line

if TYPE_CHECKING:
    import polars as pl
    from rich.table import Table

    from backpass.cli.tables import PatientConsole
    from backpass.tabular.experiment import Experiment, Question

__all__ = [
    "FitOptions",
    "run_evaluate",
    "run_export",
    "run_fit",
    "run_predict",
]

HTML, JSON = (".html", ".htm"), (".json",)


@dataclass(frozen=True)
class FitOptions:
    """The arguments of ``backpass fit``, as they were given."""

    table: str
    target: str | None
    model: str | None
    test: str | None
    test_fraction: float | None
    task: str
    sample_weight: str | None
    categorical: list[str]
    drop: list[str]
    hidden: str | None
    epochs: int | None
    time_limit: float | None
    seed: int
    json: str | None
    report: str | None
    checkpoint: str | None = None
    resume: bool = False
    checkpoint_every: float | None = None

    @property
    def command(self) -> str:
        """The command that was typed, in its plainest form."""
        parts = ["backpass", "fit", self.table]
        for name, value in vars(self).items():
            if name == "table" or value in (None, [], "auto") or (name, value) == ("seed", 0):
                continue
            option = f"--{name.replace('_', '-')}"
            if isinstance(value, bool):
                parts += [option] * value
                continue
            for one in value if isinstance(value, list) else [value]:
                parts += [option, str(one)]
        return shlex.join(parts)


# --- fit -------------------------------------------------------------------------------------


def run_fit(options: FitOptions) -> int:
    """Train, judge, save and show; return the exit code."""
    model_path = _check(options)
    # threads that spin while they wait make boosted trees take 8 times as long on a busy machine
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from backpass.tabular.files import read_table
    from backpass.training.checkpoints import Checkpoints

    messages = Messages()
    with messages.catching():
        checkpoints = Checkpoints.of(options.checkpoint, options.resume, options.checkpoint_every)
        as_text = possible_names(options.categorical)
        # read first: a wrong path is told before scikit-learn is loaded, which takes seconds
        frame = read_table(options.table, as_text=as_text)
        from backpass.cli.progress import TerminalHooks
        from backpass.cli.tables import patient_output
        from backpass.tabular.experiment import run_experiment

        question = _question(options, frame)

        def other_table(text_columns: list[str]) -> Any:
            return read_table(str(options.test), as_text=[*text_columns, *as_text])

        # a reader that stops, or a full disk, costs what is told, never the model
        out = patient_output()
        hooks = TerminalHooks(out, messages, options.table, question, checkpoints)
        with hooks:
            experiment = run_experiment(
                frame,
                question,
                test=None if options.test is None else other_table,
                names=(_label(options.table), _label(options.test or options.table)),
                save_to=model_path,
                hooks=hooks,
                checkpoints=checkpoints,
            )
    try:
        return _present(options, experiment, model_path, out)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the model is complete, what it came to was not all told") from None


def _present(
    options: FitOptions, experiment: Experiment, model_path: Path, out: PatientConsole
) -> int:
    """Show the results and write them to the files that were asked for."""
    from backpass.cli import tables as render

    files = {"model": str(model_path)}
    files |= {n: str(p) for n, p in (("json", options.json), ("report", options.report)) if p}
    out.print(render.results(experiment))
    if options.report:
        from backpass.tabular.report import write_report

        write_report(experiment, options.report, options.table, options.command)
    if options.json:
        from backpass.tabular.report.as_json import experiment_json, write_json

        write_json(experiment_json(experiment, options.table, options.command, files), options.json)
    out.print(render.whereabouts(experiment, files))
    out.fail_if_it_failed(f"the model is in {shown_path(model_path)}")
    if not experiment.interrupted:
        return 0
    sys.stderr.write(f"{render.interruption(experiment)}\n")
    return INTERRUPTED


def _label(table: str) -> str:
    return "standard input" if table == "-" else table


def _check(options: FitOptions) -> Path:
    """Refuse whatever is wrong before anything is read; return where the model goes."""
    if options.test is not None and options.test_fraction is not None:
        raise InputError("give --test or --test-fraction, not both")
    if options.test == "-" and options.table == "-":
        raise InputError("standard input holds one table; give --test a file")
    if options.test is not None and _same_file(options.test, options.table):
        raise InputError(
            f"--test {options.test}: it is the table to train on, whose score tells nothing; leave "
            "--test out, and some rows are held back"
        )
    check_numbers(
        0.2 if options.test_fraction is None else options.test_fraction, options.time_limit
    )
    if options.hidden is not None:
        hidden_sizes(options.hidden)
    model_path = Path(options.model) if options.model is not None else default_model(options.table)
    outputs = [Output("--model", model_path)]
    outputs += [Output("--json", options.json, JSON)] if options.json is not None else []
    outputs += [Output("--report", options.report, HTML)] if options.report is not None else []
    check_outputs(outputs, filter(None, [options.table, options.test]))
    check_model_place(model_path)
    if options.checkpoint is not None:
        check_folder("--checkpoint", options.checkpoint, outputs)
    return model_path


def _same_file(one: str, other: str) -> bool:
    return one == other or (Path(one).exists() and Path(one).resolve() == Path(other).resolve())


def _question(options: FitOptions, frame: pl.DataFrame) -> Question:
    from backpass.tabular.experiment import Question
    from backpass.tabular.files import example_target
    from backpass.tabular.recipe import RECIPE

    target = options.target or example_target(options.table)
    if target is None:
        shown = ", ".join(frame.columns[:12]) + ", …" * (frame.width > 12)
        raise TableError(
            f"{_label(options.table)}: say with --target which column to predict: {shown}"
        )
    recipe = RECIPE
    if options.hidden is not None:
        recipe = replace(recipe, hidden_layer_sizes=hidden_sizes(options.hidden))
    if options.epochs is not None:
        recipe = replace(recipe, epochs=options.epochs)
    return Question(
        target=target,
        task=options.task,
        sample_weight=options.sample_weight,
        categorical=column_names(options.categorical, frame.columns),
        drop=column_names(options.drop, frame.columns),
        test_fraction=0.2 if options.test_fraction is None else options.test_fraction,
        recipe=recipe,
        seed=options.seed,
        time_limit=options.time_limit,
        gradient_norms=options.report is not None,
    )


# --- predict and evaluate --------------------------------------------------------------------


def run_predict(model_path: str, table: str, *, proba: bool, output: str | None) -> int:
    """Write the predictions; return the exit code."""
    check_is_file(model_path)
    if output is not None:
        from backpass.tabular.files import check_table_suffix

        place = Output("--output", output, (Path(output).suffix.lower(),))
        check_table_suffix(output)
        check_outputs([place], [model_path, table])
    from backpass.tabular.files import read_table, table_bytes, write_table
    from backpass.tabular.model import TabularModel

    messages = Messages()
    with messages.catching():
        model = TabularModel.load(model_path)
        frame = read_table(table, as_text=model.text_columns())
        with _named(table):
            predictions = model.predict_table(frame, proba=proba)
    if output is not None:
        write_table(predictions, output)
        return 0
    sys.stdout.flush()
    sys.stdout.buffer.write(table_bytes(predictions))
    sys.stdout.buffer.flush()
    return 0


def run_evaluate(model_path: str, table: str, *, json: str | None) -> int:
    """Show the metrics of a model on a table; return the exit code."""
    check_is_file(model_path)
    if json is not None:
        check_outputs([Output("--json", json, JSON)], [model_path, table])
    from backpass.cli import tables as render
    from backpass.tabular.files import read_table
    from backpass.tabular.model import TabularModel
    from backpass.tabular.report.as_json import evaluation_json, write_json

    messages = Messages()
    with messages.catching():
        model = TabularModel.load(model_path)
        frame = read_table(table, as_text=model.text_columns())
        with _named(table):
            evaluation = model.judge(model.encode(frame))
        if left_out := frame.height - evaluation.rows:
            messages.add(f"{left_out} row(s) without target {model.target.name!r} are left out")
    render.output().print(render.evaluation(evaluation, model, table))
    if json:
        write_json(evaluation_json(evaluation, model_path, table), json)
    return 0


def _named(table: str) -> Any:
    """Put the table's name in front of errors about its values."""
    import numpy as np

    from backpass.tabular.selection import original_rows

    return original_rows(np.arange(0), _label(table))


def run_export(model_path: str, onnx: str, *, network_only: bool) -> int:
    """Write a model as an ONNX file and show its inputs and outputs; return the exit code."""
    check_is_file(model_path)
    check_outputs([Output("--onnx", onnx, (".onnx",))], [model_path])
    from backpass.export.graph import onnx_part

    onnx_part()  # told before scikit-learn is loaded, which takes seconds
    from backpass.cli import tables as render
    from backpass.export import to_onnx
    from backpass.network.network import Network
    from backpass.storage.container import container_kind
    from backpass.tabular.model import TabularModel

    with Messages().catching():
        kind: Any = Network if container_kind(model_path) == "network" else TabularModel
        model = kind.load(model_path)
        converted = to_onnx(model, onnx, network_only=network_only)
    render.output().print(_shown(converted))
    return 0


def _shown(converted: Any) -> Table:
    """Return every input and output of an ONNX model as a table."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for head in ("", "name", "type", "shape", "what it holds"):
        table.add_column(head, overflow="fold")
    for role, values in (("input", converted.graph.input), ("output", converted.graph.output)):
        for value in values:
            cells = (role, value.name, _element(value), _shape(value), value.doc_string)
            table.add_row(*(Text(one_line(cell)) for cell in cells))
    return table


def _element(value: Any) -> str:
    """Return the type of an input's or output's elements: ``"string"``, ``"double"``."""
    from backpass.export.graph import onnx_part

    kinds = onnx_part().TensorProto.DataType
    return str(kinds.Name(value.type.tensor_type.elem_type)).lower()


def _shape(value: Any) -> str:
    sizes = (size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim)
    return " × ".join(map(str, sizes))
