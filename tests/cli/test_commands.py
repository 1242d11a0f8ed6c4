import importlib
import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from typer import Exit
from typer.testing import CliRunner

from archwright._version import __version__
from archwright.cli.app import app
from archwright.cli.guard import guarded
from archwright.cli.results import train_and_export, trials_table
from archwright.cli.searching import finish
from archwright.errors import DataError, ExportError, InfeasibleError, MissingExtraError
from archwright.runs.finish import export_network
from archwright.tasks import Task
from archwright.trials import History, Objective, Result
from tests.report import samples

runner = CliRunner()
# Not by its dotted name: `archwright.runs` is the function of that name, too.
SEARCH = importlib.import_module("archwright.runs")


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """Searching and reading data replaced; what they were called with is recorded."""
    made = []

    def load_task(data, target=None, **options):
        made.append(("task", data, target, options))
        return SimpleNamespace(
            name="cars", kind="regression", classes=None, train=[1, 2], validation=[3], test=[4],
            notes=("no target was named: 'price' is taken (the last column)",),
        )  # fmt: skip

    def search(space, task, **options):
        made.append(("search", space, options))
        for phase in ("plan", "search", "final", "export", "done"):
            options["progress"]({"phase": phase, "done": 1, "elapsed": 1.0, "metric": "accuracy"})
        result = samples.mobile_result(folder=Path(options["out"]))
        result.info["command"] = options["command"]
        return result

    def resume(folder, **options):
        made.append(("resume", folder, options))
        return samples.mobile_result(folder=Path(folder))

    monkeypatch.setattr("archwright.tasks.load", load_task, raising=False)
    monkeypatch.setattr(SEARCH, "search", search)
    monkeypatch.setattr(SEARCH, "resume", resume)
    monkeypatch.setattr("archwright.runs.load", lambda folder: samples.mobile_result(folder=folder))
    monkeypatch.setattr("archwright.cli.searching.space_names", lambda: ["mlp", "mobilenet"])
    monkeypatch.chdir(tmp_path)
    return made


@pytest.fixture
def run_folder(tmp_path):
    folder = tmp_path / "run"
    (folder / "export").mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    (folder / "export" / "model.py").write_text("# network")
    return folder


def invoke(*words):
    return runner.invoke(app, [str(w) for w in words])


def test_everything_is_chosen_when_left_out(calls):
    done = invoke("search", "digits")
    assert done.exit_code == 0, done.output
    (_, data, target, options), (_, space, asked) = calls
    assert (data, target, options) == ("digits", None, {"seed": 0})
    assert space == "auto"
    assert asked["minutes"] == 5
    assert asked["trials"] is None
    assert asked["strategy"] == "auto"
    assert asked["out"] == Path("runs/digits-1")
    assert asked["final"] is True
    assert asked["baselines"] is True
    assert asked["limits"] is None
    assert "--minutes 5 --out runs/digits-1 --seed 0" in asked["command"]
    assert "Test accuracy" in done.stdout
    assert "What" not in done.stderr


def test_every_option_arrives(calls, tmp_path):
    (tmp_path / "cars.csv").write_text("a,b\n1,2\n")
    (tmp_path / "held.csv").write_text("a,b\n1,2\n")
    words = "search cars.csv --target a,b --kind multilabel --test held.csv --space mlp "
    words += "--metric auc --column a=date --column b=drop --drop-missing-labels --size 8x9 "
    words += "--skip-unreadable "
    words += "--strategy random --maximize accuracy --minimize params --minimize flops "
    words += "--limit params=50k --limit accuracy>=0.9 --trials 7 --workers 2 --out there "
    words += "--seed 3 --device cpu --final-front --no-baselines --compare-random --quiet"
    done = invoke(*words.split())
    assert done.exit_code == 0, done.output
    (_, data, target, options), (_, space, asked) = calls
    assert (data, target) == ("cars.csv", ["a", "b"])
    assert options == {
        "seed": 3,
        "kind": "multilabel",
        "test": "held.csv",
        "metric": "auc",
        "columns": {"a": "date", "b": "drop"},
        "drop_missing_labels": True,
        "size": (8, 9),
        "skip_unreadable": True,
    }
    command = asked["command"]
    assert "--metric auc --column a=date --column b=drop --drop-missing-labels" in command
    assert "--size 8x9 --skip-unreadable" in command
    assert space == "mlp"
    assert asked["minutes"] is None
    assert asked["trials"] == 7
    assert asked["workers"] == 2
    assert asked["maximize"] == ["accuracy"]
    assert asked["minimize"] == ["params", "flops"]
    assert asked["limits"] == {"params": (-float("inf"), 50_000.0), "accuracy": (0.9, float("inf"))}
    assert asked["final"] == "front"
    assert asked["baselines"] is False
    assert asked["compare_random"] is True
    assert done.stdout == "test accuracy 0.9917: there\n"
    assert done.stderr == ""


def test_the_command_that_is_recorded_is_the_same_search(calls):
    invoke("search", "digits", "--limit", "params=50k", "--minutes", "2", "--minimize", "flops")
    first = calls[-1][2]
    command = first["command"].split()
    assert command[:2] == ["archwright", "search"]
    again = invoke(*command[1:])
    assert again.exit_code == 0
    second = calls[-1][2]
    for key in ("limits", "minutes", "minimize", "strategy", "seed", "out", "command"):
        assert first[key] == second[key]


BAD = [
    (("search",), "DATA"),
    (("search", "digits", "--trials", "0"), "at least 1, got 0"),
    (("search", "digits", "--trials", "-3"), "at least 1"),
    (("search", "digits", "--trials", "many"), "--trials"),
    (("search", "digits", "--minutes", "0"), "above 0"),
    (("search", "digits", "--minutes", "-1"), "above 0"),
    (("search", "digits", "--minutes", "nan"), "above 0"),
    (("search", "digits", "--minutes", "inf"), "above 0"),
    (("search", "digits", "--workers", "0"), "at least 1"),
    (("search", "digits", "--strategy", "evolutoin"), "did you mean 'evolution'"),
    (("search", "digits", "--space", "mobilnet"), "did you mean 'mobilenet'"),
    (("search", "digits", "--kind", "ranking"), "unknown kind of task"),
    (("search", "digits", "--size", "8by8"), "--size takes a side or HEIGHTxWIDTH"),
    (("search", "digits", "--column", "zip"), "--column takes NAME=KIND"),
    (("search", "digits", "--column", "a=drop", "--column", "a=date"), "names 'a' twice"),
    (("search", "digits", "--metric", "\udcff"), "--metric takes the name"),
    (("search", "digits", "--limit", "params"), "NAME=VALUE"),
    (("search", "digits", "--limit", "params=lots"), "not a quantity"),
    (("search", "digits", "--limit", "params<5"), "inclusive"),
    (("search", "digits", "--limit", "params=5ms"), "count"),
    (("search", "digits", "--limit", "params=1k", "--limit", "params>=2k"), "impossible"),
    (("search", "no_such_file.csv"), "no file or folder"),
    (("search", "no/such/folder"), "no file or folder"),
    (("search", ""), "is empty"),
    (("search", "digits", "--test", "gone.csv"), "--test"),
    (("search", "digits", "--out", "a_file"), "is a file"),
    (("search", "digits", "--seed", "x"), "--seed"),
    (("search", "digits", "--seed", "-1"), "--seed must be at least 0, got -1"),
    (("search", "digits", "--out", "x" * 300), "is no path: File name too long"),
    (("search", "digits", "--out", "a/" + "x" * 300 + "/b"), "is no path: File name too long"),
    (("search", "x" * 300), "DATA: 'xxxxxxxxxxxxxxxxxxxx...' is no path"),
    (("search", "digits", "--test", "x" * 300), "--test: 'xxxxxxxxxxxxxxxxxxxx...' is no path"),
    (("search", "digits", "--maximize", "a\udcff"), r"--maximize takes the name of a metric"),
    (("search", "digits", "--minimize", " "), "--minimize takes the name of a metric"),
    (("show", "x" * 300), "is no path"),
    (("resume", "x" * 300), "is no path"),
    (("report", "x" * 300), "is no path"),
    (("export", "x" * 300), "is no path"),
    (("predict", "x" * 300, "x.csv"), "is no path"),
    (("predict", "a\udcff", "x.csv"), r"there is no folder 'a\udcff'"),
    (("search", "digits", "--no-such-option"), "No such option"),
    (("serach", "digits"), "No such command"),
    (("resume", "nowhere"), "no folder"),
    (("resume", "a_file"), "is a file"),
    (("resume", "."), "holds no run"),
    (("resume", ".", "--trials", "0"), "at least 1"),
    (("show", "nowhere"), "no folder"),
    (("show", "."), "holds no run"),
    (("report", "nowhere"), "no folder"),
    (("export", "nowhere"), "no folder"),
    (("export", ".", "--trial", "-1"), "at least 0"),
    (("predict", "nowhere", "x.csv"), "no folder"),
    (("predict", "a_file", "x.csv"), "is a file"),
    (("predict", ".", "x.csv"), "no exported network"),
]


@pytest.mark.parametrize(("words", "said"), BAD, ids=[" ".join(w) for w, _ in BAD])
def test_bad_input_is_one_message_and_exit_code_2(calls, tmp_path, words, said):
    (tmp_path / "a_file").write_text("")
    done = invoke(*words)
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.output
    assert done.stdout == ""
    assert calls == []
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "error",
    [
        DataError("the target has one class only"),
        InfeasibleError("none of 5 architectures tried keeps the limits"),
        ExportError("model.onnx disagrees"),
        MissingExtraError("onnx", "export", "to export"),
    ],
)
def test_errors_on_purpose_end_with_2(calls, monkeypatch, error):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(SEARCH, "search", fail)
    done = invoke("search", "digits")
    assert done.exit_code == 2
    assert str(error) in done.stderr
    assert "Traceback" not in done.output


def test_infeasible_points_to_the_report(calls, monkeypatch, tmp_path):
    def fail(*args, out, **kwargs):
        out.mkdir(parents=True)
        (out / "report.html").write_text("")
        raise InfeasibleError("none keeps the limits")

    monkeypatch.setattr(SEARCH, "search", fail)
    done = invoke("search", "digits", "--out", "here")
    assert done.exit_code == 2
    assert "here/report.html" in done.stderr


def test_a_fault_with_a_place_that_is_no_path_is_still_told():
    @guarded
    def fails(out):
        raise RuntimeError("a \udcff")

    with pytest.raises(Exit) as ended:
        fails(out=Path("x" * 300))
    assert ended.value.exit_code == 1


def test_a_fault_saves_its_traceback(calls, monkeypatch, tmp_path):
    (tmp_path / "here").mkdir()

    def fail(*args, **kwargs):
        raise KeyError("surprise")

    monkeypatch.setattr(SEARCH, "search", fail)
    done = invoke("search", "digits", "--out", "here")
    assert done.exit_code == 1
    assert "bug in Archwright" in done.stderr
    assert "Traceback" not in done.output
    saved = tmp_path / "here" / "traceback.txt"
    assert str(Path("here") / "traceback.txt") in done.stderr
    assert "KeyError: 'surprise'" in saved.read_text()
    assert __version__ in saved.read_text()


def test_ctrl_c_ends_with_130(calls, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(SEARCH, "search", interrupt)
    done = invoke("search", "digits")
    assert done.exit_code == 130
    assert "Traceback" not in done.output


def test_an_interrupted_search_still_shows_what_there_is(calls, monkeypatch):
    def search(space, task, **options):
        return samples.mobile_result(with_final=False, stopped="interrupted")

    monkeypatch.setattr(SEARCH, "search", search)
    done = invoke("search", "digits", "--out", "here")
    assert done.exit_code == 130
    assert "archwright resume here" in done.stdout
    assert "Validation accuracy" in done.stdout


def test_resume(calls, run_folder):
    done = invoke("resume", run_folder, "--minutes", "20", "--quiet")
    assert done.exit_code == 0, done.output
    (_, folder, options) = calls[0]
    assert folder == run_folder
    assert options["minutes"] == 20
    assert "trials" not in options


def test_show(calls, run_folder):
    done = invoke("show", run_folder, "--trials", "3")
    assert done.exit_code == 0, done.output
    assert "Test accuracy" in done.stdout
    assert "The best 3 trials" in done.stdout


def test_report(calls, run_folder, tmp_path):
    done = invoke("report", run_folder)
    assert done.exit_code == 0, done.output
    assert (run_folder / "report.html").exists()
    assert done.stdout.strip() == str(run_folder / "report.html")
    invoke("report", run_folder, "--out", tmp_path / "other.html")
    assert (tmp_path / "other.html").exists()


def test_export_copies_what_the_search_exported(calls, run_folder, tmp_path):
    done = invoke("export", run_folder)
    assert done.stdout.strip() == str(run_folder / "export")
    done = invoke("export", run_folder, "--out", tmp_path / "mine")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "mine" / "model.py").read_text() == "# network"


def test_export_of_another_trial_trains_it(calls, run_folder, tmp_path, monkeypatch):
    asked = []

    def train(run, result, trial, folder, *, minutes=None):
        asked.append((trial.number, folder, minutes))
        return folder

    monkeypatch.setattr("archwright.cli.results.train_and_export", train)
    done = invoke("export", run_folder, "--trial", "3", "--minutes", "1")
    assert done.exit_code == 0, done.output
    assert asked == [(3, run_folder / "export-3", 1.0)]


def test_export_of_a_trial_that_is_not_there(calls, run_folder):
    done = invoke("export", run_folder, "--trial", "999")
    assert done.exit_code == 2
    assert "from 0 to" in done.stderr


def test_export_without_the_call_says_so(calls, run_folder):
    done = invoke("export", run_folder, "--trial", "3")
    assert done.exit_code == 2
    assert "was not kept" in done.stderr


def test_lists(calls):
    done = invoke("strategies")
    assert done.exit_code == 0, done.output
    assert "evolution" in done.stdout
    assert "Regularized Evolution" in done.stdout


def test_version():
    assert invoke("--version").stdout.strip() == f"archwright {__version__}"
    assert invoke("version").stdout.strip() == f"archwright {__version__}"


@pytest.mark.parametrize(
    "command",
    ["search", "resume", "show", "report", "export", "predict", "spaces", "strategies"],
)
def test_every_command_teaches_by_example(command):
    done = invoke(command, "--help")
    assert done.exit_code == 0
    assert f"archwright {command}" in done.stdout or "archwright search digits --" in done.stdout


def test_data_names_with_markup_reach_the_card_unharmed(calls, monkeypatch):
    def search(space, task, **options):
        result = samples.mobile_result()
        result.info["task"] = {"name": "[red]x[/nonsense]"}
        return result

    monkeypatch.setattr(SEARCH, "search", search)
    done = invoke("search", "digits", "--out", "[bold]here")
    assert done.exit_code == 0, done.output
    assert "[red]x[/nonsense]" in done.stdout


HEAVY = ("torch", "pandas", "sklearn", "optuna", "numpy")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--help"], 0),
        (["search", "--help"], 0),
        (["--version"], 0),
        (["search", "digits", "--trials", "0"], 2),
        (["search", "digits", "--strategy", "nonsense"], 2),
        (["search", "digits", "--limit", "nonsense"], 2),
        (["search", "gone.csv"], 2),
        (["show", "nowhere"], 2),
        (["predict", "nowhere", "gone.csv"], 2),
    ],
)
@pytest.mark.integration
def test_answers_without_anything_heavy(words, code):
    script = (
        "import sys, json\n"
        "from archwright.cli import main\n"
        f"sys.argv = ['archwright', *{words!r}]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    code = end.code\n"
        f"print(json.dumps([code or 0, [m for m in {HEAVY!r} if m in sys.modules]]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    found, heavy = json.loads(done.stdout.splitlines()[-1])
    assert found == code
    assert heavy == []
    assert "Traceback" not in done.stderr


def test_trials_table_marks_the_front():
    from io import StringIO

    from rich.console import Console

    from archwright.cli.results import trials_table

    stream = StringIO()
    result = samples.mobile_result(minimize="flops", limit=None)
    Console(file=stream, width=120).print(trials_table(result, 50))
    assert "*" in stream.getvalue()
    assert "on the front" in stream.getvalue()


def test_a_run_without_trials_can_be_shown(monkeypatch, run_folder):
    from archwright.trials import History, Objective, Result

    empty = Result(History(samples.mobile_space(), Objective.of(maximize="a")))
    monkeypatch.setattr(SEARCH, "load", lambda folder: empty)
    done = invoke("show", run_folder)
    assert done.exit_code == 0, done.output
    assert "no trial was finished" in done.stdout


def test_a_folder_of_images_with_a_test_folder(tmp_path):
    from PIL import Image

    from archwright.cli.searching import load_task

    for i in range(40):
        split = "held" if i % 4 == 0 else "photos"
        path = tmp_path / split / ("cat" if i % 2 else "dog") / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), (i * 6) % 255).save(path)
    (tmp_path / "held" / "cat").mkdir(exist_ok=True)
    Image.new("L", (8, 8), 77).save(tmp_path / "held" / "cat" / "x.png")
    given = {"target": None, "kind": None, "seed": 0}
    task = load_task(str(tmp_path / "photos"), test=str(tmp_path / "held"), **given)
    assert task.name == "photos"
    assert len(task.test) == 11
    assert len(task.train) + len(task.validation) == 30


def test_a_test_that_does_not_go_with_the_data(calls, tmp_path):
    (tmp_path / "held.csv").write_text("a,b\n1,2\n")
    done = invoke("search", "digits", "--test", "held.csv")
    assert done.exit_code == 2
    assert "--test goes with" in done.stderr


@pytest.fixture
def searched(monkeypatch, tmp_path):
    """The tasks that would have been searched."""
    tasks = []

    def search(space, task, **options):
        tasks.append(task)
        return samples.mobile_result(folder=Path(options["out"]))

    monkeypatch.setattr(SEARCH, "search", search)
    monkeypatch.chdir(tmp_path)
    return tasks


def test_options_of_tables_reach_the_task(searched, tmp_path):
    rows = [f"{k % 7},{k * 37 % 11},{'' if k == 5 else 'ab'[k % 2]}" for k in range(60)]
    (tmp_path / "t.csv").write_text("zip,size,y\n" + "\n".join(rows))
    done = invoke("search", "t.csv", "--quiet")
    assert done.exit_code == 2
    assert "leave those rows out with --drop-missing-labels" in done.stderr
    words = "search t.csv --quiet --drop-missing-labels --metric macro_f1 --column zip=categorical"
    assert invoke(*words.split()).exit_code == 0
    (task,) = searched
    assert task.metric.name == "macro_f1"
    assert sum(len(task.split(name)) for name in ("train", "validation", "test")) == 59
    assert task.preprocessing.inputs.columns[0].kind == "categorical"


def test_options_that_do_not_go_with_the_data_are_refused(searched, tmp_path):
    for k in range(24):
        image = Image.fromarray(np.full((12, 14), 10 * k, np.uint8))
        (tmp_path / "pets" / f"c{k % 2}").mkdir(parents=True, exist_ok=True)
        image.save(tmp_path / "pets" / f"c{k % 2}" / f"{k}.png")
    (tmp_path / "t.csv").write_text("a,y\n" + "\n".join(f"{k},{k % 2}" for k in range(60)))
    for words, said in (
        ("pets --drop-missing-labels", "no option 'drop_missing_labels'"),
        ("pets --column a=drop", "no option 'columns'"),
        ("t.csv --size 8", "no option 'size'"),
        ("t.csv --skip-unreadable", "no option 'skip_unreadable'"),
        ("digits --size 8", "no option 'size'"),
        ("pets --size 2", "at least 4 pixels"),
        ("pets --metric r2", "judges regression"),
    ):
        done = invoke("search", *words.split(), "--quiet")
        assert done.exit_code == 2, words
        assert said in done.stderr
    assert searched == []
    (tmp_path / "pets" / "c0" / "0.png").write_bytes(b"no image")
    done = invoke("search", "pets", "--quiet", "--size", "8x10")
    assert "leave what cannot be read out with --skip-unreadable" in done.stderr
    done = invoke("search", "pets", "--quiet", "--size", "8x10", "--skip-unreadable")
    assert done.exit_code == 0
    assert searched[0].input_shape == (1, 8, 10)


@pytest.mark.parametrize("width", [200, 80, 60, 40])
def test_no_heading_of_the_trials_is_cut(width):
    result = samples.mobile_result()
    goals = ("accuracy", "mean_average_precision", "latency_ms", "memory_bytes", "size_bytes")
    trials = [
        replace(t, metrics={**t.metrics, **dict.fromkeys(goals, 12345.678), "flops": 1e9})
        for t in result.trials[:9]
    ]
    objective = Objective.of(maximize=list(goals[:2]), minimize=list(goals[2:]))
    console = Console(width=width, record=True, file=io.StringIO())
    table = trials_table(
        Result(History(result.history.space, objective, trials)), 5, width=console.width
    )
    console.print(table)
    text = console.export_text()
    assert "\u2026" not in text
    words = " ".join(text.split())
    for head in [column.header for column in table.columns]:
        assert all(word in words for word in head.split())
    assert ("no room for" in words) == (width < 200)
    assert "accuracy" in words


class Rested:
    """An evaluator that trains in no time."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.task = Task.from_arrays(rng.normal(size=(40, 3)), [0, 1] * 20)

    def final(self, candidate, *, seconds=None):
        model = torch.nn.Sequential(torch.nn.Linear(3, 2))
        return SimpleNamespace(model=model, test={"accuracy": 0.75}, interval=None)


def test_the_export_of_a_trial_knows_its_figures(monkeypatch, tmp_path, capsys):
    for name in ("onnx", "onnxscript", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr("archwright.cli.results._call", lambda run: (None, Rested()))
    monkeypatch.setattr("archwright.evaluators.Candidate", lambda *given, **options: None)
    result = samples.mobile_result()
    trial = result.history.best
    folder = train_and_export(tmp_path, result, trial, tmp_path / "out")
    text = (folder / "README.md").read_text()
    for figure in ("validation_accuracy", "test_accuracy", "params", "flops", "latency_ms"):
        assert f"| {figure} |" in text
    assert "| params | 8 |" in text
    assert "Latency was measured on" in text
    said = capsys.readouterr().err
    assert "onnx was not exported: onnx is needed" in said
    assert "pip install 'archwright[export]'" in said


@pytest.mark.parametrize("quiet", [True, False])
def test_a_base_installation_is_told_how_to_get_onnx(monkeypatch, tmp_path, capsys, quiet):
    for name in ("onnx", "onnxscript", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, None)
    result = samples.mobile_result(folder=tmp_path)
    folder, problems = export_network(
        torch.nn.Linear(3, 2),
        tmp_path / "export",
        task=Rested().task,
        architecture=result.history.best.architecture,
        space_name="mlp",
        metrics={},
    )
    assert (folder / "model.py").exists()
    result.finals[0] = replace(result.finals[0], notes=tuple(problems))
    finish(result, tmp_path, quiet=quiet)
    said = capsys.readouterr()
    lines = (said.err if quiet else said.out).splitlines()
    (line,) = (line for line in lines if "onnx was not exported" in line)
    assert "onnx is needed to write an ONNX file: pip install 'archwright[export]'" in line


def test_what_was_made_of_the_data_is_said_before_the_search(calls):
    done = invoke("search", "digits", "--out", "run")
    assert done.exit_code == 0, done.output
    assert "data: cars, regression, 2 train / 1 validation / 1 test rows" in done.stderr
    assert "data: no target was named: 'price' is taken" in done.stderr
    quiet = invoke("search", "digits", "--out", "run2", "--quiet")
    assert "data:" not in quiet.stderr
