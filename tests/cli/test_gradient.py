import pytest
from typer.testing import CliRunner

from archwright.cli.app import app
from archwright.cli.gradient import METHODS
from archwright.strategies import STRATEGIES


def run(*arguments):
    found = CliRunner().invoke(app, list(arguments))
    return found.exit_code, " ".join(found.output.split())


def test_the_names_are_those_of_the_methods():
    from archwright.supernet import METHODS as known

    assert sorted(METHODS) == sorted(known)
    assert not set(METHODS) & set(STRATEGIES)


@pytest.mark.parametrize(
    "options",
    [
        ("--stopping", "median"),
        ("--minimize", "flops"),
        ("--workers", "2"),
        ("--compare-random",),
        ("--fidelity", "epochs=0.5"),
    ],
)
def test_what_a_search_by_gradients_would_ignore_is_refused(options, tmp_path):
    out = tmp_path / "run"
    code, text = run("search", "digits", "--strategy", "darts", *options, "--out", str(out))
    assert code == 2
    assert f"{options[0]} cannot be used with --strategy darts" in text
    assert not out.exists()


def test_the_list_of_strategies_has_them():
    code, text = run("strategies")
    assert code == 0
    assert "gdas" in text
    assert "by gradients" in text


@pytest.mark.slow
def test_one_command_from_data_to_an_exported_network(tmp_path):
    out = tmp_path / "run"
    call = ["search", "iris", "--strategy", "gdas", "--minutes", "1.5", "--out", str(out), "-q"]
    code, text = run(*call)
    assert code == 0, text
    assert (out / "export" / "model.pt2").exists()
    assert "How the choices came about" in (out / "report.html").read_text()
