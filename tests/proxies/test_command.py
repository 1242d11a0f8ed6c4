import csv

import pytest
from typer.testing import CliRunner

from archwright.cli.app import app
from archwright.proxies import PROXIES

NET = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(6, 64), nn.Linear(64, 3)
    def forward(self, x):
        return self.b(self.a(x).relu())

class Wide(Net):
    def __init__(self, width):
        super().__init__()

ready = nn.Linear(6, 2)
number = 3
"""


def invoke(*words):
    return CliRunner().invoke(app, ["proxies", *[str(w) for w in words]])


@pytest.fixture
def net(tmp_path):
    path = tmp_path / "net.py"
    path.write_text(NET, encoding="utf-8")
    return path


def test_a_network_of_ones_own(net, tmp_path):
    out = tmp_path / "scores.csv"
    done = invoke(f"{net}:Net", "--input-shape", 6, "--batch", 8, "--csv", out)
    assert done.exit_code == 0, done.output
    table = [line.split() for line in done.stdout.splitlines() if " is not defined" not in line]
    lines = {words[0]: words for words in table if words}
    assert lines["params"][1] == "643"
    assert lines["meco"][1] == "-"
    assert "meco is not defined here, because" in done.stdout
    with out.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert (rows[0]["params"], rows[0]["meco"]) == ("643.0", "")
    again = invoke(f"{net}:Net", "--input-shape", 6, "--batch", 8)
    assert [x.split()[1] for x in again.stdout.splitlines()[:9]] == [
        x.split()[1] for x in done.stdout.splitlines()[:9]
    ]


def test_a_module_that_is_ready(net):
    done = invoke(f"{net}:ready", "--input-shape", 6, "--names", "synflow")
    assert done.exit_code == 0, done.output
    assert "14" in done.stdout


def test_random_networks_of_a_space():
    done = invoke("mlp", "--input-shape", 5, "--n", 4, "--names", "naswot,synflow", "--batch", 8)
    assert done.exit_code == 0, done.output
    assert "mean seconds" in done.stdout
    last = next(x for x in done.stdout.splitlines() if x.startswith("rank correlation"))
    assert last.split()[4] == "+1.00"


def test_the_list():
    done = invoke("--list")
    assert done.exit_code == 0
    for name in PROXIES:
        assert name in done.stdout
    assert "az_nas = expressivity + progressivity + trainability + complexity" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "name a model"),
        (("nasbench210",), "did you mean 'nasbench201'"),
        (("{net}:Nett", "--input-shape", "6"), "did you mean 'Net'"),
        (("{net}:Wide", "--input-shape", "6"), "takes no arguments"),
        (("{net}:number", "--input-shape", "6"), "takes no arguments"),
        (("{net}",), "write FILE.py:NAME"),
        (("nowhere.py:Net",), "there is no file 'nowhere.py'"),
        (("{net}:Net", "--input-shape", "6,x"), "--input-shape takes whole numbers"),
        (("{net}:Net", "--input-shape", "7"), "cannot take a batch of shape"),
        (("mlp", "--names", "naswott"), "did you mean 'naswot'"),
        (("mlp", "--n", "0"), "--n"),
        (("mlp", "--device", "nonsense"), "--device 'nonsense' cannot be used"),
    ],
)
def test_what_cannot_be(words, message, net):
    done = invoke(*(w.format(net=net) for w in words))
    assert done.exit_code == 2, done.output
    assert message in done.output
    assert "Traceback" not in done.output


def test_what_cannot_be_written_is_noticed_before_the_work(net, tmp_path, monkeypatch):
    def never(*args, **how):
        raise AssertionError("a network was judged")

    monkeypatch.setattr("archwright.proxies.score", never)
    done = invoke(f"{net}:Net", "--input-shape", 6, "--csv", net / "scores.csv")
    assert done.exit_code == 2, done.output
    assert "cannot be written" in " ".join(done.output.split())
    done = invoke(f"{net}:Net", "--input-shape", 6, "--csv", tmp_path)
    assert done.exit_code == 2, done.output
    assert "is a folder; name a file" in " ".join(done.output.split())
