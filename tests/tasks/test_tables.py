import gzip

import pandas as pd
import pytest

from archwright.errors import DataError, UnknownNameError
from archwright.tasks.tables import existing, find_target, has_header, read_table, sniff_separator


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", " "])
def test_separators_are_found(tmp_path, separator):
    rows = [["size", "colour", "price"], ["1", "red", "2.5"], ["2", "blue", "3.5"]]
    path = write(tmp_path / "a.csv", "\n".join(separator.join(row) for row in rows) + "\n")
    frame = read_table(path).frame
    assert list(frame.columns) == rows[0]
    assert frame["price"].tolist() == [2.5, 3.5]


def test_quoted_fields_may_hold_separators(tmp_path):
    path = write(tmp_path / "a.csv", 'name,size\n"Smith, John",1\n"Doe; Jane",2\n')
    assert read_table(path).frame["name"].tolist() == ["Smith, John", "Doe; Jane"]


def test_decimal_commas(tmp_path):
    path = write(tmp_path / "a.csv", "a;b\n1,5;x\n-2,25;y\n")
    assert read_table(path).frame["a"].tolist() == [1.5, -2.25]


@pytest.mark.parametrize(
    ("encoding", "note"),
    [("utf-8", False), ("utf-8-sig", False), ("utf-16", False), ("latin-1", True)],
)
def test_encodings(tmp_path, encoding, note):
    table = read_table(write(tmp_path / "a.csv", "naïve,size\ncafé,1\ncrème,2\n", encoding))
    assert list(table.frame.columns) == ["naïve", "size"]
    assert table.frame.iloc[0, 0] == "café"
    assert any("Latin-1" in one for one in table.notes) == note


def test_compressed_files(tmp_path):
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    for suffix in (".gz", ".bz2", ".xz", ".zip"):
        frame.to_csv(tmp_path / f"a.csv{suffix}", index=False)
        pd.testing.assert_frame_equal(read_table(tmp_path / f"a.csv{suffix}").frame, frame)


def test_parquet(tmp_path):
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", None]})
    frame.to_parquet(tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet").frame.shape == (2, 2)


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("a,b\n1,x\n2,y\n", True),
        ("1,x\n2,y\n", False),
        ("p,x,s\ne,x,s\np,b,s\n", False),
        ("x,x,n\np,b,s\np,k,s\n", False),
        ("colour,shape\nred,round\nblue,square\n", True),
        ("0,1,2\n5.5,6,x\n7.1,8,y\n", True),
        ("1,2,3\n4,5,6\n7,8,9\n", False),
        ("?,3.5\n1,2\n", False),
    ],
)
def test_headers_are_found(tmp_path, text, header):
    table = read_table(write(tmp_path / "a.csv", text))
    assert table.header == header
    assert len(table.frame) == text.count("\n") - header


def test_a_header_can_be_told(tmp_path):
    path = write(tmp_path / "a.csv", "1,x\n2,y\n")
    assert list(read_table(path, header=True).frame.columns) == ["1", "x"]


def test_one_line_is_a_header():
    assert has_header([["1", "2"]])


def test_missing_values(tmp_path):
    path = write(tmp_path / "a.csv", "a,b,c\n1,?,None\n,NA,x\n3,y,nan\n")
    frame = read_table(path).frame
    assert frame.isna().to_numpy().tolist() == [
        [False, True, False],
        [True, True, False],
        [False, False, True],
    ]
    assert frame["c"].iloc[0] == "None"


def test_row_names_without_a_header_are_left_out(tmp_path):
    table = read_table(write(tmp_path / "a.csv", "a,b\nfirst,1,x\nsecond,2,y\n"))
    assert list(table.frame.columns) == ["a", "b"]
    assert any("names its rows" in note for note in table.notes)


def test_blank_lines_and_spaces_do_not_matter(tmp_path):
    frame = read_table(write(tmp_path / "a.csv", "\na , b\n\n 1, x \n 2, y\n\n")).frame
    assert list(frame.columns) == ["a", "b"]
    assert frame["a"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"\n \n", "is empty"),
        ("a.csv", b"a,b\n", "holds 0 rows"),
        ("a.csv", b"a\n1\n2\n", "one column only"),
        ("a.csv", b"a,b\n1,2\n3,4,5,6\n", "line 3. has 4 fields where others have 2"),
        ("a.csv", b"a,b,a\n1,2,3\n", "several columns named 'a'"),
        ("a.csv", b"\x89PNG\x00\x00\x00\x01", "not a text file"),
        ("a.csv.gz", b"not gzip", "cannot be read"),
        ("a.zip", b"PK", "not a kind of table"),
        ("a.parquet", b"", "is empty"),
        ("a.parquet", b"PAR1 broken", "cannot be read as a Parquet file"),
        ("a.xlsx", b"PK", "not a kind of table that can be read: expected .csv"),
    ],
)
def test_files_that_are_no_tables_are_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_table(tmp_path / name)


def test_a_file_cut_short_is_refused(tmp_path):
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n" * 1000)[:-20])
    with pytest.raises(DataError, match="cannot be read"):
        read_table(tmp_path / "a.csv.gz")


def test_a_path_that_is_not_there_names_the_nearest(tmp_path):
    write(tmp_path / "houses.csv", "a,b\n1,2\n")
    with pytest.raises(DataError, match=r"did you mean '.*houses\.csv'"):
        existing(tmp_path / "house.csv")
    with pytest.raises(DataError, match=r"the folder .* does not exist"):
        existing(tmp_path / "no" / "house.csv")
    with pytest.raises(DataError, match="check the path"):
        existing(tmp_path / "zzz")
    with pytest.raises(DataError, match="is a folder"):
        read_table(tmp_path)


NAMES = ["age", "Income", "risk class", "7"]


@pytest.mark.parametrize(
    ("target", "found"),
    [
        ("age", ["age"]),
        ("income", ["Income"]),
        (1, ["Income"]),
        (-1, ["7"]),
        ("-2", ["risk class"]),
        ("2", ["risk class"]),
        ("7", ["7"]),
        (["age", "Income"], ["age", "Income"]),
        ("age, Income", ["age", "Income"]),
        (None, ["7"]),
    ],
)
def test_targets_are_found(target, found):
    assert find_target(NAMES, target)[0] == found


def test_a_target_is_known_by_its_usual_names():
    names, notes = find_target(["y", "label", "x"], None)
    assert names == ["label"]
    assert "no target was named: 'label' is taken (by its name)" in notes[0]


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        ("incme", UnknownNameError, "unknown target column 'incme': did you mean 'Income'"),
        ("12", UnknownNameError, "unknown target column '12'"),
        ([], DataError, "at least one target"),
        (NAMES, DataError, "all columns are targets"),
    ],
)
def test_targets_that_are_not_there(target, error, message):
    with pytest.raises(error, match=message):
        find_target(NAMES, target)


def test_a_table_of_one_column_has_no_inputs():
    with pytest.raises(DataError, match="its only column is 'a'"):
        find_target(["a"], None)


def test_a_text_of_prose_is_not_cut_at_spaces():
    assert sniff_separator("a b,1\nc d e,2\nf,3\n") == ","


ROWS = [f"{k}.5,b{k % 2},{k % 3}" for k in range(40)]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("1.5,2", "line 12. has 2 fields where others have 3"),
        ("1.5", "line 12. has 1 field where others have 3"),
        ("1.5,2,1,4", "line 12. has 4 fields where others have 3"),
    ],
)
@pytest.mark.parametrize("header", ["a,b,y\n", ""])
def test_a_row_of_another_number_of_fields_is_named(tmp_path, row, said, header):
    path = tmp_path / "a.csv"
    path.write_text(header + "\n".join([*ROWS[: 11 - bool(header)], row, *ROWS[11:]]))
    with pytest.raises(DataError, match=said):
        read_table(path)


def test_rows_are_counted_over_quoted_lines_and_separators(tmp_path):
    path = tmp_path / "a.csv"
    rows = [f'{k},"text, of\ntwo\u2028 lines",{k % 2 or ""}' for k in range(40)]
    path.write_text("a,b,y\n" + "\n".join(rows), encoding="utf-8")
    assert read_table(path).frame["y"].isna().sum() == 20
    path.write_text("a,b,y\n" + "\n".join([*rows[:2], "1,2", *rows[2:]]), encoding="utf-8")
    with pytest.raises(DataError, match=r"row 2 of a.csv .counting from 0; line 6. has 2 fields"):
        read_table(path)


def test_separators_at_the_end_of_rows_move_no_column(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b,y\n" + "\n".join(f"{row}," for row in ROWS))
    table = read_table(path)
    assert table.frame["a"].tolist() == [k + 0.5 for k in range(40)]
    assert "ends with a separator" in table.notes[0]


def test_numbers_of_thousands_of_digits_are_no_counted_header(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(f"{'9' * 5000},2,3\n" + "\n".join(ROWS))
    assert not read_table(path).header
