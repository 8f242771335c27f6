"""The page of benchmarks: every figure and verdict on it is computed from the results' files."""

import importlib
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NETWORK = "30-64-64-2, batch 32, 20 000 rows"
ABOUT = {
    "options": "--rounds 3", "date": "2026-01-02", "commit": "abc1234", "load": 0.5,
    "cpu": "A processor", "cores": 2, "system": "Linux x86_64", "instruction set": "avx2",
    "compiler": "GCC 12.2.0", "blas": "openblas 0.3", "python": "3.11.7",
    "libraries": {"numpy": "2.4.6", "scikit-learn": "1.9.1", "jax": "0.10.2"},
}  # fmt: skip
TRAINING = {
    NETWORK: {
        "seconds": {
            "native": [0.01, 0.02, 0.02],
            "native, 1 thread": [0.02, 0.03, 0.03],
            "reference": [0.2, 0.2, 0.2],
            "sgemm, 1 thread": [0.2, 0.2, 0.2],
            "sgemm, 2 threads": [0.1, 0.1, 0.1],
            "scikit-learn, 1 thread": [0.05, 0.1, 0.12],
            "scikit-learn, 2 threads": [0.2, 0.2, 0.2],
            "JAX, 1 thread": [0.06, 0.12, 0.2],
        },
        "losses": {
            "native": 0.5, "native, 1 thread": 0.5, "reference": 0.5,
            "scikit-learn, 1 thread": 0.51, "scikit-learn, 2 threads": 0.51, "JAX, 1 thread": 0.52,
        },
        "notes": {"native": "", "JAX, 1 thread": "drops nothing"},
    }
}  # fmt: skip
OTHERS = {
    "steps": {
        NETWORK: {
            "Adam, same batch": [2e-5],
            "SGD, shuffled": [2e-5],
            "SGD, same batch": [1e-5],
            "sgemm 1": [0.2],
            "sgemm 2": [2 * 2048**3 / 160e9],  # the rate of libxsmm-dnn's day
        }
    },
    "estimators": {
        "20-100-2, batch 200, 1 000 rows, 50 epochs": {
            "scikit-learn": {"theirs": [0.6], "ours": [0.1], "losses": [0.1, 0.1]}
        }
    },
    "prediction": {
        "30-64-64-2, batch 1, 10 000 rows": {
            "many": {
                "backpass Network": [1e-3],
                "backpass predict_proba": [2e-3],
                "scikit-learn, 1 thread": [1e-2],
                "onnxruntime, 1 thread": [9e-4],
            },
            "one": {
                "backpass Network": [7e-6],
                "backpass predict_proba": [3e-4],
                "scikit-learn, 1 thread": [2e-4],
                "onnxruntime, 1 thread": [1e-5],
            },
            "differences": dict.fromkeys(
                [
                    "backpass Network", "backpass predict_proba", "scikit-learn, 1 thread",
                    "onnxruntime, 1 thread",
                ],
                1e-7,
            ),
        }
    },
    "registry": {
        "network": "8-16-16-3, batch 32, 128 rows",
        "variants": {
            "activation: tanh": {
                "float32": {"base": [1.0], "variant": [3.0]},
                "float64": {"base": [2.0], "variant": [4.0]},
            }
        },
    },
    "scaling": {
        "growth": {
            "rows": [
                {"network": NETWORK, "program": "native", "seconds": [0.2], "memory": [1e6]},
                {"network": NETWORK, "program": "torch", "seconds": [0.1], "memory": [2e6]},
            ]
        },
        "memory": {
            "uint8": {"grown": 2e8, "state": 1e6, "seconds": 1.0, "rows": 1000, "inputs": 500}
        },
    },
    "start": {
        "seconds": {
            "import backpass": [0.1],
            "import backpass; backpass.MLPClassifier": [1.0],
            "import sklearn.neural_network": [0.9],
        },
        "bytes": {"name": "backpass.whl", "wheel": 1e6, "installed": 2e6},
    },
}  # fmt: skip


@pytest.fixture
def report(monkeypatch):
    """Return the module, which is not installed."""
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.report")


def write(folder, program, results, name=None, **about):
    told = {"program": program, **ABOUT, **about, "results": results}
    (folder / f"{name or program}.json").write_text(json.dumps(told))


@pytest.fixture
def folder(tmp_path):
    """Return a folder of results of every program."""
    write(tmp_path, "training", TRAINING)
    for program, results in OTHERS.items():
        write(tmp_path, program, results)
    return tmp_path


def verdicts(report, folder):
    """Return what was measured and the verdict by goal, of those that were measured."""
    found = report.verdicts(report.load(folder)[0])
    return {v.what: (v.shown(), v.word) for v in found if v.measured}


# --- the committed results -----------------------------------------------------------------------


def test_the_page_is_what_the_results_say(report):
    """Fails where there are no results: a page of figures without them is not to be had."""
    written = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert written == report.page(report.RESULTS), "run: python -m benchmarks.report"


def test_the_readme_is_what_the_results_say(report):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    filled = report.between_marks(text, "speed", report.readme(report.RESULTS))
    assert filled == text, "run: python -m benchmarks.report"


def test_the_results_name_no_folder(report):
    for file in report.RESULTS.glob("*.json"):
        assert not re.search(r"/(tmp|home|work|root|Users)\b", file.read_text(encoding="utf-8"))


# --- verdicts --------------------------------------------------------------------------------


def test_goals_are_judged_by_the_median(report, folder):
    found = verdicts(report, folder)
    what = f"training {NETWORK}: fastest peer / ours"
    assert found[what] == ("5.00 (5.00 to 6.00), scikit-learn, 1 thread", "floor met, goal missed")
    assert found["`predict_one`, 30-64-64-2"] == ("7.0 µs", "floor met, goal missed")
    what = "predict 10 000 rows, 30-64-64-2: onnxruntime / ours"
    assert found[what] == ("0.90, onnxruntime, 1 thread", "missed")
    what = "`fit` on 1 000 x 20, 50 epochs, float32: scikit-learn / ours"
    assert found[what] == ("6.00, scikit-learn", "floor met, goal missed")
    what = "a step of SGD on one batch, 30-64-64-2: libxsmm-dnn, scaled / ours"
    assert found[what] == ("2.90", "met")
    what = "the slowest of all activations, losses, optimisers and options / the base"
    assert found[what] == ("3.00, activation: tanh, float32", "missed")
    what = "the lowest share of float32's rate that float64 has"
    assert found[what] == ("75%, activation: tanh", "met")
    what = "memory of a fit on large rows above the network's state, uint8"
    assert found[what] == ("199 MB", "missed")


def test_every_goal_of_the_issue_is_on_the_page(report, folder):
    """What was not measured is there too, and is not called met."""
    page = report.page(folder)
    for network in report.TRAINING:
        assert f"training {network}: fastest peer / ours" in page
    measured = len(verdicts(report, folder))
    assert page.count("| not measured |") == len(list(report.verdicts({}))) - measured
    assert {v.word for v in report.verdicts({})} == {"not measured"}


@pytest.mark.parametrize(
    ("median", "most", "word"),
    [
        (6.0, False, "met"), (5.9, False, "floor met, goal missed"), (3.9, False, "missed"),
        (6.0, True, "met"), (6.1, True, "floor met, goal missed"), (8.1, True, "missed"),
    ],
)  # fmt: skip
def test_a_bound_counts_from_its_own_side(report, median, most, word):
    floor = 8 if most else 4
    measured = report.Spread(median, 0, 9)
    assert report.Verdict("x", measured, floor, 6, most=most).word == word


def test_what_was_lost_is_listed(report, folder):
    lost = [line for line in report.missed(report.load(folder)[0]) if line.startswith("- lost")]
    told = "\n".join(lost)
    assert len(lost) == 4, told
    assert "onnxruntime, 1 thread takes 0.90" in told
    assert "one row, estimator: scikit-learn, 1 thread takes 0.67" in told
    assert "(growth: rows): PyTorch eager takes 0.50" in told
    assert "`import sklearn.neural_network` takes 0.90" in told


def test_a_slow_variant_needs_a_reason(report, folder, monkeypatch):
    results = report.load(folder)[0]
    assert "- activation: tanh: float32 over 2: no reason is named." in report.missed(results)
    monkeypatch.setitem(report.REASONS, "activation: tanh", "two exponentials")
    assert "- activation: tanh: float32 over 2: two exponentials." in report.missed(results)


def test_nothing_missed_is_said(report):
    assert report.missed({}) == [
        "Every goal that was measured was met, and no comparison was lost."
    ]


# --- files and text --------------------------------------------------------------------------


def test_the_page_shows_medians_spreads_losses_and_the_machine(report, folder):
    page = report.page(folder)
    assert "| **native** | 0.02 (0.01 to 0.02) | 32.0 |" in page  # 625 steps
    assert "0.5100 |" in page
    assert "- JAX, 1 thread: drops nothing" in page
    assert "| processor | A processor |" in page
    assert "| `python -m benchmarks.training --rounds 3` | 2026-01-02 | abc1234 | 0.5 |" in page
    assert ":data:" not in page


def test_the_readme_has_each_peer_at_its_better_thread_count(report, folder):
    text = report.readme(folder)
    assert f"| {NETWORK} | 5.0 (5.0 to 6.0) | 6.0 (6.0 to 10.0) |" in text
    assert "PyTorch" not in text
    assert "scikit-learn 1.9.1" in text


def test_only_what_stands_between_the_marks_is_replaced(report):
    text = "a\n<!-- speed: begin -->\nold\n<!-- speed: end -->\nb\n"
    assert report.between_marks(text, "speed", "new") == text.replace("old", "new")
    empty = text.replace("old\n", "")
    assert report.between_marks(empty, "speed", "new") == text.replace("old", "new")
    with pytest.raises(SystemExit, match="not one pair of marks for other"):
        report.between_marks(text, "other", "new")


def test_a_program_may_have_several_files(report, folder):
    write(folder, "training", {"8-4-2, batch 2, 8 rows": TRAINING[NETWORK]}, "more")
    assert len(report.load(folder)[0]["training"]) == 2
    write(folder, "training", {"8-4-2, batch 2, 8 rows": TRAINING[NETWORK]}, "again")
    with pytest.raises(SystemExit, match="measured in another file too"):
        report.load(folder)


def test_two_machines_are_not_mixed(report, folder):
    write(folder, "training", {}, "more", cpu="Another")
    with pytest.raises(SystemExit, match=r"more\.json: cpu is Another, elsewhere A processor"):
        report.load(folder)


def test_no_results_and_foreign_files_are_refused(report, tmp_path):
    with pytest.raises(SystemExit, match="no results"):
        report.load(tmp_path)
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(SystemExit, match=r"x\.json was not written by a benchmark"):
        report.load(tmp_path)


def test_results_are_written_without_folders(report, tmp_path, monkeypatch):
    about = importlib.import_module("benchmarks._about")
    file = tmp_path / "results.json"
    command = ["start.py", "--json", str(file), "--wheel", "/a/folder/b.whl", "--rounds", "2"]
    monkeypatch.setattr("sys.argv", command)
    about.write_json(file, "start", {"seconds": [1.0, 2.0]})
    text = file.read_text(encoding="utf-8")
    told = json.loads(text)
    assert told["options"] == "--wheel b.whl --rounds 2"
    assert told["program"] == "start"
    assert set(report.MACHINE) <= told.keys()
    assert "folder" not in text


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (b"\0GCC: (Debian 12.2.0-14+deb12u1) 12.2.0\0", "GCC 12.2.0"),
        (
            b"\0Debian clang version 14.0.6\0GCC: (Debian 12.2.0-14) 12.2.0\0",
            "clang version 14.0.6",
        ),
        (b"nothing", ""),
    ],
)
def test_a_compiled_file_names_its_compiler(report, text, name):
    assert importlib.import_module("benchmarks._about").compiler_of(text) == name


def test_a_configuration_is_read_back_from_its_text(report):
    for config in report.training.CONFIGS:
        assert report.Config.parse(str(config)) == config
