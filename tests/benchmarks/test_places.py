import sys

import pytest

from archwright.benchmarks.places import data_folder, find
from archwright.errors import DataError


def test_the_folder_is_the_variables_else_the_caches(tmp_path, monkeypatch):
    monkeypatch.setenv("ARCHWRIGHT_DATA", str(tmp_path / "mine"))
    assert data_folder() == tmp_path / "mine"
    monkeypatch.delenv("ARCHWRIGHT_DATA")
    if sys.platform == "linux":
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert data_folder() == tmp_path / "archwright" / "data"
        monkeypatch.delenv("XDG_CACHE_HOME")
        assert data_folder().parts[-3:] == (".cache", "archwright", "data")


@pytest.mark.parametrize("inner", [".", "nb", "bench/nb"])
def test_files_lie_in_the_folder_or_below(inner, tmp_path):
    (tmp_path / inner).mkdir(parents=True, exist_ok=True)
    (tmp_path / inner / "table-v1.npz").write_text("")
    found = find("B", ["other", "table-*.npz"], tmp_path, folder="nb")
    assert found.resolve() == (tmp_path / inner / "table-v1.npz").resolve()


def test_the_preferred_name_comes_first(tmp_path):
    for name in ("b.npz", "a.npz"):
        (tmp_path / name).write_text("")
    assert find("B", ["b.npz", "a.npz"], tmp_path).name == "b.npz"


def test_a_file_is_taken_as_it_is(tmp_path):
    (tmp_path / "odd.name").write_text("")
    assert find("B", ["a.npz"], tmp_path / "odd.name").name == "odd.name"


def test_what_is_missing_says_where_it_was_looked_for(tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"B: there is no file or folder"):
        find("B", ["a.npz"], tmp_path / "none")
    with pytest.raises(DataError, match=r"found none of a\.npz in .*--data"):
        find("B", ["a.npz"], tmp_path)
    monkeypatch.setenv("ARCHWRIGHT_DATA", str(tmp_path / "none"))
    with pytest.raises(DataError, match="set ARCHWRIGHT_DATA"):
        find("B", ["a.npz"], None)
