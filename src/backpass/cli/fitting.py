"""What the command ``backpass fit`` does.

What needs more than a moment to load is imported where it is used, so that ``--help`` and wrong
arguments are answered at once.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from backpass.cli.arguments import (
    JSON,
    PAGES,
    Output,
    check_folder,
    check_model_place,
    check_numbers,
    check_outputs,
    column_names,
    costs_of,
    default_model,
    hidden_sizes,
    label_of,
    outputs,
    possible_names,
)
from backpass.cli.cluster import check_cluster, on_cluster
from backpass.cli.fit_options import Effort, FitOptions
from backpass.cli.interrupts import INTERRUPTED
from backpass.cli.output import Messages
from backpass.errors import InputError, TableError
from backpass.storage.atomic_write import shown_path

if TYPE_CHECKING:
    from backpass.cli.tables import PatientConsole
    from backpass.tabular.conventions import Convention
    from backpass.tabular.experiment import Experiment, Question
    from backpass.tabular.large.source import Source


def fit(options: FitOptions) -> int:
    """Train networks on TABLE, judge and save them.

    A pack of networks is trained on folds of the table and predicts together; --plain, --hidden,
    --activation, --loss and --epochs ask for a single one. Some rows are held out and judge it,
    beside a linear model and boosted trees.

    \b
    Examples:
      backpass fit example:digits
      backpass fit churn.csv --target churn --drop customer_id --report churn.html
      backpass fit 2023.parquet --target price --test 2024.parquet --time-limit 60
      zcat big.csv.gz | backpass fit - --target y --model big.backpass
      backpass fit churn.csv --target churn --checkpoint churn.run --resume
    """  # noqa: D301 (typer wants the character, which keeps the lines apart)
    convention, model_path = _convention(options), _check(options)
    # threads that spin while they wait make boosted trees take 8 times as long on a busy machine
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from backpass.tabular.files import open_table
    from backpass.training.checkpoints import Checkpoints

    messages = Messages()
    with messages.catching():
        source = _source(options)
        if source is not None:
            return _fit_large(options, convention, source, model_path, messages)
        elsewhere, checkpoints = on_cluster(options), None
        if elsewhere is None:  # a cluster's workers write their own
            checkpoints = Checkpoints.of(
                options.checkpoint, options.resume, options.checkpoint_every
            )
        # read first: a wrong path is told before scikit-learn is loaded, which takes seconds
        texts = possible_names([*(options.categorical or []), *filter(None, [options.target])])
        table = open_table(options.table, texts if convention.allows_points() else None)
        from backpass.cli.progress import TerminalHooks
        from backpass.cli.tables import patient_output
        from backpass.tabular.experiment import run_experiment

        question = _question(options, convention, table.frame.columns)
        # a reader that stops, or a full disk, costs what is told, never the model
        out = patient_output()
        hooks = TerminalHooks(out, messages, options.table, question, checkpoints)
        with hooks:
            experiment = run_experiment(
                table,
                question,
                test=options.test,
                save_to=model_path,
                hooks=hooks,
                checkpoints=checkpoints,
                elsewhere=elsewhere,
            )
    try:
        return _present(options, experiment, model_path, out)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the model is complete, but not all results were shown") from None


def _source(options: FitOptions) -> Source | None:
    """Return the table as what is read in pieces, where it is too large or that is asked for."""
    from backpass.tabular.large.source import Source, too_large

    if options.cache is None:
        return too_large(options.table)
    if options.table == "-" or options.table.startswith("example:"):
        raise InputError("--cache: the table is read several times; give it as a file")
    return Source.of(options.table)


def _fit_large(
    options: FitOptions,
    convention: Convention,
    source: Source,
    model_path: Path,
    messages: Messages,
) -> int:
    """Fit a table that is read in pieces."""
    own = ("checkpoint", "resume") if options.cluster is None else ()
    for name in ("test", "report", *own):
        if getattr(options, name):
            raise InputError(
                f"--{name}: not of a table that is read in pieces, which holds out some of its rows"
                " and goes on by itself from its cache; leave it out"
            )
    from backpass.cli.progress import TerminalHooks
    from backpass.cli.tables import patient_output
    from backpass.tabular.large.cached_table import asked_in_pieces
    from backpass.tabular.large.experiment import run_in_pieces

    columns = next(source.pieces()).frame.columns
    question = asked_in_pieces(_question(options, convention, columns))
    elsewhere = on_cluster(options)
    out = patient_output()
    with TerminalHooks(out, messages, options.table, question) as hooks:
        experiment = run_in_pieces(
            source,
            question,
            Path(options.cache or f"{model_path}.cache"),
            hooks,
            keep=options.cache is not None,
            save_to=model_path,
            every=options.checkpoint_every,
            elsewhere=elsewhere,
        )
    return _present(options, experiment, model_path, out)


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
    if options.activation is not None:
        _check_activation(options.activation)
    if options.loss is not None:
        _check_loss(options.loss)
    check_cluster(options)
    several = options.effort is not None or options.recipes is not None
    if options.loss is not None and several:
        raise InputError(
            "--loss is of a single network: those of a pack are weighed by log-loss or squared"
            " error, and trained by it; leave --effort and --recipes out"
        )
    if options.single and several:
        raise InputError(
            "--effort and --recipes are of a pack, and --plain, --hidden, --activation, --loss and"
            " --epochs of a single network; give one of the two"
        )
    model_path = Path(options.model) if options.model is not None else default_model(options.table)
    wanted = outputs(("--json", options.json, JSON), ("--report", options.report, PAGES))
    places = [Output("--model", model_path), *wanted]
    check_outputs(places, filter(None, [options.table, options.test]))
    check_model_place(model_path)
    if options.checkpoint is not None:
        check_folder("--checkpoint", options.checkpoint, places)
    return model_path


def _check_activation(name: str) -> None:
    """Refuse what no hidden layer takes, before a table is read."""
    from backpass.network.network import Network

    try:
        Network((1, 1, 1), name, "identity", "squared_error", seed=0)
    except InputError as error:
        told = str(error).removeprefix("layer 1: ")
        raise InputError(f"--activation: {told}") from None


def _check_loss(spec: str) -> None:
    """Refuse what is no loss; whether it fits is told once the target is known."""
    from backpass.core.losses import LOSSES

    try:
        LOSSES.get_record(spec)
    except InputError as error:
        raise InputError(f"--loss: {error}") from None


def _same_file(one: str, other: str) -> bool:
    return one == other or (Path(one).exists() and Path(one).resolve() == Path(other).resolve())


def _convention(options: FitOptions) -> Convention:
    """Return how the table is written, as far as the options say."""
    from backpass.tabular.conventions import Convention

    named = {"blank": " ", "none": ""}  # what is hard to type
    return Convention(
        decimal=options.decimal,
        thousands=named.get(options.thousands or "", options.thousands),
        dates=options.dates,
        missing=tuple(possible_names(options.missing or ())),
    )


def _question(options: FitOptions, convention: Convention, columns: list[str]) -> Question:
    from backpass.tabular.experiment import Question
    from backpass.tabular.files import example_target
    from backpass.tabular.recipe import RECIPE

    target = options.target or example_target(options.table)
    if target is None:
        shown = ", ".join(columns[:12]) + ", …" * (len(columns) > 12)
        raise TableError(
            f"{label_of(options.table)}: say with --target which column to predict: {shown}"
        )
    recipe = RECIPE
    if options.hidden is not None:
        recipe = replace(recipe, hidden_layer_sizes=hidden_sizes(options.hidden))
    if options.activation is not None:
        recipe = replace(recipe, activation=options.activation)
    if options.loss is not None:
        recipe = replace(recipe, loss=options.loss)
    if options.epochs is not None:
        recipe = replace(recipe, epochs=options.epochs)
    return Question(
        target=target,
        task=options.task.value,
        sample_weight=options.sample_weight,
        group=options.group,
        time=options.time,
        costs=costs_of(options.cost) if options.cost is not None else None,
        class_weight=options.class_weight and options.class_weight.value,
        categorical=column_names(options.categorical or [], columns),
        drop=column_names(options.drop or [], columns),
        test_fraction=0.2 if options.test_fraction is None else options.test_fraction,
        recipe=recipe,
        effort="" if options.single else (options.effort or Effort.default).value,
        recipes=options.recipes,
        seed=options.seed,
        time_limit=options.time_limit,
        compare=options.compare.value,
        gradient_norms=options.report is not None,
        convention=convention,
    )
