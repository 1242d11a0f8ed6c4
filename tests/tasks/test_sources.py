import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import Dataset, IterableDataset, TensorDataset

from archwright.errors import DataError, InputError
from archwright.tasks import Task

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
Y = np.arange(60) % 3
IMAGES = RNG.integers(0, 256, (60, 9, 9), dtype=np.uint8)


def frame(n=60, **columns):
    rng = np.random.default_rng(1)
    made = pd.DataFrame(
        {
            "size": rng.normal(size=n),
            "colour": rng.choice(["red", "green"], n),
            "price": rng.lognormal(size=n),
            "kind": np.array(["a", "b", "c"])[np.arange(n) % 3],
        }
    )
    return made.assign(**columns)


class Items(Dataset):
    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


class Endless(IterableDataset):
    def __iter__(self):
        yield torch.zeros(2), 0


@pytest.mark.parametrize("convert", [np.asarray, torch.as_tensor, lambda v: np.asarray(v).tolist()])
def test_arrays_tensors_and_lists_are_the_same(convert):
    task = Task.from_arrays(convert(X), convert(Y))
    assert task.fingerprint == Task.from_arrays(X, Y).fingerprint
    assert (task.kind, task.modality, task.input_shape) == ("classification", "tabular", (4,))
    assert task.classes == ("0", "1", "2")


@pytest.mark.parametrize(
    ("shape", "dtype", "modality", "input_shape"),
    [
        ((60, 5), np.float32, "tabular", (5,)),
        ((60, 8, 8), np.float32, "image", (1, 8, 8)),
        ((60, 3, 8, 9), np.float32, "image", (3, 8, 9)),
        ((60, 8, 9, 3), np.uint8, "image", (3, 8, 9)),
        ((60, 3, 100), np.float32, "other", (3, 100)),
        ((60, 2, 3, 4, 5), np.float32, "other", (2, 3, 4, 5)),
    ],
)
def test_kinds_of_input_are_told_by_their_shape(shape, dtype, modality, input_shape):
    x = (np.random.default_rng(0).random(shape) * 200).astype(dtype)
    task = Task.from_arrays(x, Y)
    assert (task.modality, task.input_shape) == (modality, input_shape)
    prepared = task.prepare(task.train.x)
    assert prepared.dtype == torch.float32
    again = task.preprocessing.apply(x)
    assert again.shape == (60, *input_shape)


def test_preparation_and_splits_agree():
    for x in (X, IMAGES, RNG.normal(size=(60, 3, 50))):
        task = Task.from_arrays(x, Y, test=None)
        prepared = task.prepare(task.split("train+validation").x).numpy()
        raw = task.preprocessing.apply(x)
        order = [np.lexsort(v.reshape(60, -1).T[:6].round(4)) for v in (prepared, raw)]
        np.testing.assert_allclose(prepared[order[0]], raw[order[1]], atol=1e-5)


def test_tokens_stay_whole_numbers():
    tokens = RNG.integers(0, 100, (60, 3, 20))
    task = Task.from_arrays(tokens, Y, modality="other")
    assert task.prepare(task.train.x).dtype == torch.int64


def test_whole_floats_from_0_to_255_are_kept_in_8_bits():
    assert Task.from_arrays(IMAGES.astype(float), Y).train.x.dtype == torch.uint8
    assert Task.from_arrays(IMAGES / 255, Y).train.x.dtype == torch.float32


def test_given_parts_are_kept():
    task = Task.from_arrays(X, Y, validation=(X[:10], Y[:10]), test=(X[:5], Y[:5]))
    assert [len(task.split(name)) for name in ("train", "validation", "test")] == [60, 10, 5]
    assert torch.equal(task.validation.x, task.train.x[:10])


def test_a_missing_value_in_a_table_is_no_error():
    x = X.copy()
    x[3, 1] = np.nan
    assert any("missing" in note for note in Task.from_arrays(x, Y).notes)


def test_names_of_classes():
    task = Task.from_arrays(X, Y, classes=["zebra", "ant", "fly"])
    assert task.classes == ("zebra", "ant", "fly")
    plain = Task.from_arrays(X, Y)
    assert torch.equal(task.train.y, plain.train.y)


def test_multilabel_and_several_numbers():
    labels = RNG.integers(0, 2, (60, 3))
    task = Task.from_arrays(X, labels, classes=["a", "b", "c"])
    assert (task.kind, task.classes, task.n_outputs) == ("multilabel", ("a", "b", "c"), 3)
    assert task.metric.name == "macro_f1"
    task = Task.from_arrays(X, RNG.normal(size=(60, 2)))
    assert (task.kind, task.n_outputs) == ("regression", 2)
    assert task.preprocessing.target.names == ("target0", "target1")


def test_one_hot_targets_are_classes():
    task = Task.from_arrays(X, np.eye(3)[Y])
    assert task.kind == "classification"
    assert torch.equal(task.train.y, Task.from_arrays(X, Y).train.y)


def test_frames_of_inputs_keep_their_names():
    inputs = frame().drop(columns="kind")
    task = Task.from_arrays(inputs, frame()["kind"])
    assert task.preprocessing.target.names == ("kind",)
    assert task.fingerprint == Task.from_frame(frame(), "kind").fingerprint


def test_frames_with_several_targets():
    task = Task.from_frame(frame(u=RNG.normal(size=60), v=RNG.normal(size=60)), ["u", "v"])
    assert (task.kind, task.preprocessing.target.names) == ("regression", ("u", "v"))
    labels = frame(u=RNG.integers(0, 2, 60), v=RNG.integers(0, 2, 60))
    task = Task.from_frame(labels, ["u", "v"])
    assert (task.kind, task.classes) == ("multilabel", ("u", "v"))
    hot = frame(u=Y == 0, v=Y != 0)
    task = Task.from_frame(hot, ["u", "v"])
    assert (task.kind, task.classes) == ("classification", ("u", "v"))


def test_a_column_that_tells_the_class_is_noted():
    table = frame(200, code=np.array([7, 8, 9])[np.arange(200) % 3])
    notes = Task.from_frame(table, "kind").notes
    assert sum("column 'code' alone tells the class" in note for note in notes) == 1
    assert not any("alone tells" in note for note in Task.from_frame(frame(200), "kind").notes)


def test_tables_of_categories_only():
    table = frame(colour=["r", "g"] * 30)[["colour", "kind"]]
    task = Task.from_frame(table, "kind")
    assert task.input_shape == (2,)
    assert task.summary()["inputs"]["kinds"] == {"categorical": 1}


def test_frames_with_given_parts():
    task = Task.from_frame(frame(), "kind", validation=frame(9), test=frame(12))
    assert [len(task.split(name)) for name in ("train", "validation", "test")] == [60, 9, 12]


def test_datasets():
    tensors = TensorDataset(torch.as_tensor(X), torch.as_tensor(Y))
    items = Items([(torch.as_tensor(a), int(b)) for a, b in zip(X, Y, strict=True)])
    expected = Task.from_arrays(X, Y).fingerprint
    assert Task.from_dataset(tensors).fingerprint == expected
    assert Task.from_dataset(items).fingerprint == expected
    task = Task.from_dataset(tensors, test=items)
    assert (len(task.validation), len(task.test)) == (12, 60)


def test_rows_without_a_label_can_be_left_out():
    labels = Y.astype(float)
    labels[[1, 5]] = np.nan
    task = Task.from_arrays(X, labels, drop_missing_labels=True)
    assert sum(len(task.split(name)) for name in ("train", "validation", "test")) == 58
    assert "2 of 60 train rows have no label and were left out" in task.notes
    table = frame(kind=frame()["kind"].where(np.arange(60) > 2))
    assert len(Task.from_frame(table, "kind", drop_missing_labels=True).split("train").y) == 35


def test_files_and_frames_are_the_same(tmp_path):
    frame().to_csv(tmp_path / "shop.csv", index=False)
    frame().to_parquet(tmp_path / "shop.parquet")
    frame().to_csv(tmp_path / "shop.tsv.gz", index=False, sep="\t")
    for name in ("shop.csv", "shop.parquet", "shop.tsv.gz"):
        task = Task.load(tmp_path / name, "kind")
        assert task.name == "shop"
        assert task.classes == ("a", "b", "c")
        assert torch.allclose(task.train.x, Task.from_frame(frame(), "kind").train.x)


def test_files_without_a_header(tmp_path):
    frame().to_csv(tmp_path / "a.csv", index=False, header=False)
    task = Task.load(tmp_path / "a.csv")
    assert task.preprocessing.target.names == ("3",)
    frame().drop(columns="kind").to_csv(tmp_path / "b.csv", index=False, header=False)
    names, with_target = task.preprocessing.read(tmp_path / "a.csv")
    _, without = task.preprocessing.read(tmp_path / "b.csv")
    np.testing.assert_array_equal(with_target, without)
    assert names == [str(k) for k in range(60)]
    middle = Task.load(tmp_path / "a.csv", 1)
    _, made = middle.preprocessing.read(tmp_path / "a.csv")
    assert made.shape == (60, *middle.input_shape)


def test_folders_of_tables_are_given_splits(tmp_path):
    for name, n in (("train", 60), ("valid", 20), ("test", 10)):
        frame(n).to_csv(tmp_path / f"{name}.csv", index=False)
    task = Task.load(tmp_path, "kind")
    assert [len(task.split(name)) for name in ("train", "validation", "test")] == [60, 20, 10]


def test_numpy_archives(tmp_path):
    np.savez(tmp_path / "a.npz", x=X, y=Y)
    assert Task.load(tmp_path / "a.npz").fingerprint == Task.from_arrays(X, Y).fingerprint
    np.savez(tmp_path / "b.npz", x_train=X, y_train=Y, x_test=X[:9], y_test=Y[:9])
    assert len(Task.load(tmp_path / "b.npz").test) == 9
    np.savez(tmp_path / "c.npz", train_images=IMAGES, train_labels=Y)
    assert Task.load(tmp_path / "c.npz").modality == "image"


def test_to_predict_on_numpy_files(tmp_path):
    task = Task.from_arrays(RNG.normal(size=(60, 3, 50)), Y)
    x = RNG.normal(size=(7, 3, 50))
    np.save(tmp_path / "a.npy", x)
    np.savez(tmp_path / "a.npz", x=x)
    for name in ("a.npy", "a.npz"):
        names, made = task.preprocessing.read(tmp_path / name)
        assert (len(names), made.shape) == (7, (7, 3, 50))
    np.savez(tmp_path / "b.npz", z=x)
    with pytest.raises(DataError, match="must hold an array named x; it holds z"):
        task.preprocessing.read(tmp_path / "b.npz")
    with pytest.raises(DataError, match="give a NumPy file"):
        task.preprocessing.read("a.csv")


@pytest.mark.parametrize("name", ["breast_cancer", "diabetes", "digits", "iris", "wine"])
def test_small_known_sets(name):
    task = Task.load(name)
    assert task.name == name
    assert task.kind == ("regression" if name == "diabetes" else "classification")


def with_value(values, place, value):
    changed = np.array(values, dtype=object if isinstance(value, str) else float)
    changed[place] = value
    return changed


def measured(**parts):
    """A regression whose held-out targets are replaced."""
    held = {name: (X[:20], with_value(X[:20, 0], 3, value)) for name, value in parts.items()}
    return Task.from_arrays(X, X[:, 0], **held)


REFUSED = {
    "infinity in a test target": (
        lambda: measured(test=np.inf),
        r"in the test data: labels must be finite and below 1e\+100: row 3 .* holds inf",
    ),
    "a validation target whose square overflows": (
        lambda: measured(validation=1e300),
        "in the validation data: labels must be finite",
    ),
    "a test target out of proportion": (
        lambda: measured(test=1e60),
        r"in the test rows: 1 of 20 targets are out of all proportion.*1e\+60 in row 3.*1e\+15",
    ),
    "text in a validation target": (
        lambda: Task.from_arrays(X, X[:, 0], validation=(X[:5], list("abcde"))),
        "in the validation rows: kind='regression' needs numbers",
    ),
    "a label of 2 in the test rows": (
        lambda: Task.from_arrays(X, X[:, :2] > 0, kind="multilabel", test=(X, np.full((60, 2), 2))),
        "in the test rows: multi-label targets are 0 or 1",
    ),
    "an infinite class": (lambda: Task.from_arrays(X, [1, np.inf] * 30), "row 1 .* holds inf"),
    "a label beyond all floats": (
        lambda: Task.from_arrays(X, [10**400, *range(59)]),
        "row 0 .* holds inf",
    ),
    "a number beyond all floats": (
        lambda: Task.from_frame(frame(size=[10**400, *range(59)]), "kind"),
        "column 'size' holds inf in row 0",
    ),
    "a place beyond all integers": (
        lambda: Task.from_frame(frame(), "9" * 5000),
        r"unknown target column '9{80,90}\.\.\.",
    ),
    "inputs whose squares overflow": (
        lambda: Task.from_arrays(with_value(IMAGES, (3, 1, 2), 1e300), Y),
        r"at most 1e\+15.*1e\+300 at \[3, 1, 2\]",
    ),
    "a target named twice": (
        lambda: Task.from_frame(frame(), ["kind", "kind"]),
        "names the column 'kind' twice",
    ),
    "two targets of arrays of one name": (
        lambda: Task.from_arrays(X, X[:, :2], target=["a", "a"]),
        "two targets are named 'a'",
    ),
    "a seed of text": (lambda: Task.load("iris", seed="1"), "seed must be a whole number .* '1'"),
    "a negative seed": (lambda: Task.from_arrays(X, Y, seed=-1), "whole number of at least 0"),
    "no seed": (lambda: Task.from_frame(frame(), "kind", seed=None), "whole number of at least 0"),
    "a seed of a subset": (
        lambda: Task.from_arrays(X, Y).subset(0.5, seed="1"),
        "seed must be a whole number",
    ),
    "a size of a subset": (lambda: Task.from_arrays(X, Y).subset("half"), "a subset is a fraction"),
    "lengths differ": (lambda: Task.from_arrays(X, Y[:-1]), "60 inputs and 59 targets"),
    "nan labels": (
        lambda: Task.from_arrays(X, with_value(Y, [4, 7], np.nan)),
        r"2 of 60 are missing \(rows 4, 7, counting from 0\).*drop_missing_labels=True",
    ),
    "missing text labels": (
        lambda: Task.from_frame(frame(kind=[None] + ["a", "b"] * 29 + ["a"]), "kind"),
        "label in 'kind': 1 of 60 is missing",
    ),
    "only missing labels": (
        lambda: Task.from_arrays(X, np.full(60, np.nan), drop_missing_labels=True),
        "no row of the train data has a label",
    ),
    "one class": (lambda: Task.from_arrays(X, ["a"] * 60), "at least two classes"),
    "one number": (lambda: Task.from_arrays(X, [1.5] * 60), "a target that varies"),
    "no rows": (lambda: Task.from_arrays(X[:0], Y[:0]), "has no rows"),
    "few rows": (lambda: Task.from_arrays(X[:19], Y[:19]), "at least 20 rows .* got 19"),
    "one axis": (lambda: Task.from_arrays(X[:, 0], Y), r"give x.reshape\(-1, 1\)"),
    "no axis": (lambda: Task.from_arrays(3.0, Y), "rows x features; got 3.0"),
    "no axis of targets": (lambda: Task.from_arrays(X, 3.0), "one entry a row; got 3.0"),
    "ragged": (lambda: Task.from_arrays([[1, 2], [3]] * 30, Y), "one shape to form an array"),
    "objects": (
        lambda: Task.from_arrays(np.array([np.zeros(k % 3) for k in range(60)], object), Y),
        "entries are objects",
    ),
    "object images": (
        lambda: Task.from_arrays(IMAGES.astype(object), Y, modality="image"),
        "must be numbers; got an array of dtype object",
    ),
    "complex": (lambda: Task.from_arrays(X + 1j, Y), "real numbers; got complex"),
    "sparse": (
        lambda: Task.from_arrays(pytest.importorskip("scipy.sparse").csr_matrix(X), Y),
        r"x is a sparse matrix.*x.toarray\(\)",
    ),
    "nan in images": (
        lambda: Task.from_arrays(with_value(IMAGES, (3, 1, 2), np.nan), Y),
        r"1 values in 1 of 60 rows are NaN or infinite, the first at \[3, 1, 2\]",
    ),
    "infinity in a table": (
        lambda: Task.from_arrays(with_value(X, (2, 1), np.inf), Y),
        "column '1' holds inf in row",
    ),
    "constant features": (lambda: Task.from_arrays(np.ones((60, 3)), Y), "no input column is left"),
    "flat images": (lambda: Task.from_arrays(np.ones((60, 8, 8)), Y), "same flat"),
    "text in a column of numbers": (
        lambda: Task.from_frame(frame(size=[str(k / 7) for k in range(59)] + ["big"]), "kind"),
        "column 'size' holds numbers, but row 59 holds 'big'",
    ),
    "unknown target": (lambda: Task.from_frame(frame(), "kinds"), "did you mean 'kind'"),
    "target out of range": (lambda: Task.from_frame(frame(), 9), "unknown target column '9'"),
    "two columns of one name": (
        lambda: Task.from_frame(pd.concat([frame(), frame()[["size"]]], axis=1), "kind"),
        "2 columns named 'size'",
    ),
    "two targets of one name": (
        lambda: Task.from_frame(pd.concat([frame(), frame()[["kind"]]], axis=1), "kind"),
        "2 columns named 'kind'",
    ),
    "an empty frame": (lambda: Task.from_frame(frame().iloc[:0], "kind"), "0 rows and 4 columns"),
    "lacking columns in a part": (
        lambda: Task.from_frame(frame(), "kind", test=frame().drop(columns="size")),
        "test table lacks 1 columns, such as 'size'",
    ),
    "unknown kind": (lambda: Task.from_arrays(X, Y, kind="ranking"), "unknown kind of task"),
    "unknown modality": (
        lambda: Task.from_arrays(X, Y, modality="images"),
        "unknown modality 'images': did you mean 'image'",
    ),
    "modality of another shape": (
        lambda: Task.from_arrays(X, Y, modality="image"),
        "images have 3 or 4 axes",
    ),
    "images as a table": (
        lambda: Task.from_arrays(IMAGES, Y, modality="tabular"),
        "a table is rows x features",
    ),
    "unknown metric": (lambda: Task.from_arrays(X, Y, metric="acuracy"), "did you mean 'accuracy'"),
    "metric of another kind": (lambda: Task.from_arrays(X, Y, metric="r2"), "judges regression"),
    "unknown loss": (lambda: Task.from_arrays(X, Y, loss="hubert"), "did you mean 'huber'"),
    "unknown augmentation": (
        lambda: Task.from_arrays(IMAGES, Y, augment="strong"),
        "'auto', an Augmentation or None",
    ),
    "validation of all": (lambda: Task.from_arrays(X, Y, validation=1.0), "between 0 and 1"),
    "no validation": (lambda: Task.from_arrays(X, Y, validation=None), "validation must be"),
    "negative test": (lambda: Task.from_arrays(X, Y, test=-0.1), "test must be a fraction"),
    "nothing to train on": (
        lambda: Task.from_arrays(X, Y, validation=0.5, test=0.6),
        "leave rows to train on",
    ),
    "tiny validation": (
        lambda: Task.from_arrays(X, Y, validation=0.001),
        "leaves no validation row",
    ),
    "validation of three": (
        lambda: Task.from_arrays(X, Y, validation=(X, Y, X)),
        "fraction such as 0.2 or a pair",
    ),
    "parts of another shape": (
        lambda: Task.from_arrays(IMAGES, Y, test=(IMAGES[:, :5], Y)),
        "must have one shape",
    ),
    "targets of another shape": (
        lambda: Task.from_arrays(X, Y, test=(X, np.eye(3)[Y])),
        "targets must have one shape",
    ),
    "targets of three axes": (
        lambda: Task.from_arrays(X, np.zeros((60, 2, 2))),
        "rows x targets; got shape",
    ),
    "a class of its own in test": (
        lambda: Task.from_arrays(X, Y, test=(X[:3], [0, 1, 7])),
        "in the test rows: class 7, row 2, does not occur",
    ),
    "a class a row": (
        lambda: Task.from_arrays(X, [f"c{k}" for k in range(60)]),
        "has 60 classes in 60 rows: too few rows a class",
    ),
    "names of too few classes": (
        lambda: Task.from_arrays(X, Y, classes=["a", "b"]),
        "names 2 classes, and the labels hold 3",
    ),
    "names of classes that repeat": (
        lambda: Task.from_arrays(X, Y, classes=["a", "b", "a"]),
        "must have different names",
    ),
    "a data set without length": (lambda: Task.from_dataset(Endless()), "map-style torch Dataset"),
    "a data set of inputs only": (
        lambda: Task.from_dataset(Items([torch.zeros(3)] * 30)),
        r"pairs \(input, target\); item 0 is a Tensor",
    ),
    "a data set of many shapes": (
        lambda: Task.from_dataset(Items([(torch.zeros(2 + k % 2), 0) for k in range(30)])),
        "must have one shape; they have 2",
    ),
    "an empty data set": (lambda: Task.from_dataset(Items([])), "has no items"),
    "a name that is near": (lambda: Task.load("digit"), "did you mean 'digits'"),
    "a path that is not there": (lambda: Task.load("no/such.csv"), "does not exist"),
    "a target of a known set": (lambda: Task.load("iris", "species"), "does not go with"),
    "an unknown option": (
        lambda: Task.load("iris", validaton=0.1),
        "no option 'validaton'; did you mean 'validation'",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_with_the_mend(case):
    make, message = REFUSED[case]
    with pytest.raises(InputError, match=message) as caught:
        make()
    assert len(str(caught.value)) > 40


BAD_FILES = {
    "unknown kind of file": ("a.docx", b"x", "no kind of data that can be read"),
    "empty csv": ("a.csv", b"", "is empty"),
    "empty parquet": ("a.parquet", b"", "is empty"),
    "broken archive": ("a.npz", b"PK\x03\x04", "cannot be read as a NumPy archive"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files_are_refused_with_the_mend(tmp_path, case):
    name, content, message = BAD_FILES[case]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        Task.load(tmp_path / name)


def test_numpy_integers_are_seeds_and_counts():
    task = Task.from_arrays(X, Y, seed=np.int64(3))
    assert task.fingerprint == Task.from_arrays(X, Y, seed=3).fingerprint
    assert len(task.subset(np.int64(12)).train) == 12
    data = TensorDataset(torch.as_tensor(X), torch.as_tensor(Y))
    assert len(Task.from_dataset(data, validation=np.float32(0.25)).validation) == 15


def test_labels_of_thousands_of_digits_are_classes_of_text():
    task = Task.from_arrays(X, ["9" * 5000, "no", "--5"] * 20)
    assert task.classes == ("--5", "9" * 5000, "no")


def test_what_is_predicted_on_must_be_finite():
    task = Task.from_arrays(IMAGES / 300, Y)
    with pytest.raises(DataError, match="1 of 60 rows are not, the first is row 3"):
        task.preprocessing.apply(with_value(IMAGES / 300, (3, 1, 2), np.nan))


def test_archives_of_objects_or_without_targets_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([[1], "a"], object), y=Y)
    with pytest.raises(DataError, match="arrays of Python objects, which are not read"):
        Task.load(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", inputs=X)
    with pytest.raises(DataError, match=r"must hold arrays named x and y .* it holds inputs"):
        Task.load(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", x=X, y=Y)
    with pytest.raises(DataError, match=r"target column .* does not go with a NumPy archive"):
        Task.load(tmp_path / "c.npz", "y")


def test_bad_input_leaves_no_work_behind(tmp_path):
    """A wrong metric is told before a large table is prepared."""
    with pytest.raises(InputError, match="unknown metric"):
        Task.from_frame(frame(size=[object()] * 60), "kind", metric="nope")


@pytest.mark.parametrize("source", [np.zeros((3, 2)), {"x": 1}, 3])
def test_load_takes_paths_and_names(source):
    with pytest.raises(DataError, match=r"Task\.from_arrays"):
        Task.load(source)


def test_a_task_describes_itself_in_a_line():
    assert repr(Task.load("iris")) == (
        "<Task iris: classification, tabular, 90 train, 30 validation, 30 test rows>"
    )
