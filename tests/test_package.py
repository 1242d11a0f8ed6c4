import subprocess
import sys

import pytest

import archwright as aw

HEAVY = {"torch", "pandas", "sklearn", "optuna", "onnx", "onnxruntime", "matplotlib", "scipy"}


def _loaded_after(code):
    script = f"import sys\n{code}\nprint(*sorted({{n.split('.')[0] for n in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "code",
    [
        "import archwright",
        "import archwright as aw; aw.Space; aw.Architecture; aw.RandomSearch; aw.Objective",
        "import archwright.space, archwright.trials, archwright.strategies, archwright.errors",
        "import archwright.cli",
    ],
)
def test_heavy_libraries_load_when_they_are_used(code):
    assert not _loaded_after(code) & HEAVY


def test_every_public_name_is_there():
    for name in aw.__all__:
        assert getattr(aw, name) is not None
    assert set(aw.__all__) <= set(dir(aw))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = aw.nonsense
