import pytest
from typer.testing import CliRunner

from archwright.cli.app import app


def run(*arguments):
    return CliRunner().invoke(app, ["search", "digits", *arguments])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs", "cannot be read"),
        ("speed=0.5", "unknown kind of fidelity"),
        ("data=2", "at most 1"),
    ],
)
def test_a_fidelity_that_cannot_be_is_refused_before_any_work(text, message, tmp_path):
    found = run("--fidelity", text, "--out", str(tmp_path / "run"))
    assert found.exit_code == 2
    assert message in " ".join(found.output.split())
    assert not (tmp_path / "run").exists()


def test_a_teacher_that_is_not_there_is_refused_before_any_work(tmp_path):
    found = run("--teacher", str(tmp_path / "none.pt2"), "--out", str(tmp_path / "run"))
    assert found.exit_code == 2
    assert "--teacher" in " ".join(found.output.split())
