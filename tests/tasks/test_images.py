import json

import numpy as np
import pytest
import torch
from PIL import Image

from archwright.errors import DataError, UnknownNameError
from archwright.tasks import Images, Task
from archwright.tasks.folders import read_folder
from archwright.tasks.images import fit_images, image_files, raw_images, to_array


def gradient(height=10, width=12, channels=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, channels), dtype=np.uint8)


def save(path, array, mode=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path, **options)


def make_folder(root, n=12, classes=("cat", "dog"), size=(10, 12), **options):
    for k, name in enumerate(classes):
        for i in range(n):
            array = gradient(*size, seed=100 * k + i) // 2 + 100 * k
            save(root / name / f"{i}.png", array.astype(np.uint8), **options)
    return root


def test_channels_find_their_place():
    assert raw_images(np.zeros((5, 8, 9))).shape == (5, 1, 8, 9)
    assert raw_images(np.zeros((5, 8, 9, 3))).shape == (5, 3, 8, 9)
    assert raw_images(np.zeros((5, 3, 8, 9))).shape == (5, 3, 8, 9)
    assert raw_images(torch.zeros(5, 16, 8, 9)).shape == (5, 16, 8, 9)
    with pytest.raises(DataError, match=r"got shape \(5, 8\)"):
        raw_images(np.zeros((5, 8)))


def test_prepared_training_images_have_mean_zero_and_deviation_one():
    x = np.random.default_rng(0).integers(0, 256, (5000, 3, 6, 5), dtype=np.uint8)
    made = fit_images(x).apply(x)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made.mean((0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(made.std((0, 2, 3)), 1, atol=1e-5)


def test_flat_images_are_refused_and_one_flat_channel_is_not():
    with pytest.raises(DataError, match="same flat"):
        fit_images(np.full((5, 1, 4, 4), 7, np.uint8))
    x = np.zeros((5, 2, 4, 4), np.float32)
    x[:, 1] = np.arange(4)
    assert np.isfinite(fit_images(x).apply(x)).all()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK", "L", "LA", "1", "HSV", "YCbCr"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_mode_becomes_grey_or_colour(mode, channels):
    picture = Image.fromarray(gradient()).convert(mode)
    made = to_array(picture, channels, (10, 12), 257.0)
    assert made.shape == (channels, 10, 12)
    assert made.dtype == np.uint8


def test_what_is_transparent_becomes_white():
    clear = Image.new("RGBA", (4, 4), (10, 20, 30, 0))
    assert (to_array(clear, 3, (4, 4), 257.0) == 255).all()
    half = Image.new("LA", (4, 4), (0, 128))
    assert (abs(to_array(half, 1, (4, 4), 257.0).astype(int) - 127) <= 1).all()


def test_sixteen_bits_become_eight():
    deep = Image.fromarray(np.array([[0, 257 * 100], [65535, 257]], np.uint16))
    assert to_array(deep, 1, (2, 2), 257.0).tolist() == [[[0, 100], [255, 1]]]


def test_an_image_on_its_side_is_turned_upright(tmp_path):
    tall = Image.new("L", (4, 8))
    tall.paste(255, (0, 0, 4, 4))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to see it upright
    tall.save(tmp_path / "a.jpg", exif=exif, quality=100)
    with Image.open(tmp_path / "a.jpg") as image:
        made = to_array(image, 1, (4, 8), 257.0)
    assert made[0, :, 6:].min() > 200
    assert made[0, :, :2].max() < 60


class TestApplying:
    images = Images(3, 10, 12, mean=(100.0,) * 3, std=(50.0,) * 3)

    def test_paths_pictures_and_arrays_are_the_same(self, tmp_path):
        array = gradient()
        save(tmp_path / "a.png", array)
        expected = self.images.apply(array[None])
        assert expected.shape == (1, 3, 10, 12)
        for raw in (
            str(tmp_path / "a.png"),
            tmp_path / "a.png",
            [tmp_path / "a.png"],
            Image.fromarray(array),
            [Image.fromarray(array)],
            array,
            [array],
            torch.from_numpy(array)[None],
            array.transpose(2, 0, 1),
        ):
            np.testing.assert_array_equal(self.images.apply(raw), expected)

    def test_images_of_other_sizes_are_resized(self):
        mixed = [gradient(20, 24), gradient(5, 6), Image.fromarray(gradient(10, 12))]
        assert self.images.apply(mixed).shape == (3, 3, 10, 12)
        assert self.images.apply(np.stack([gradient(20, 24)] * 2)).shape == (2, 3, 10, 12)

    def test_arrays_in_another_unit_must_have_the_shape(self):
        with pytest.raises(DataError, match=r"\(3, 10, 12\).*got \(3, 9, 9\) of float64"):
            self.images.apply(np.zeros((2, 3, 9, 9)))

    def test_a_corrupt_file_is_named(self, tmp_path):
        (tmp_path / "broken.png").write_bytes(b"no image at all")
        with pytest.raises(DataError, match=r"broken\.png' is not an image that can be read"):
            self.images.apply(tmp_path / "broken.png")

    def test_files_for_a_network_of_arrays_with_other_channels_are_refused(self, tmp_path):
        save(tmp_path / "a.png", gradient())
        images = Images(5, 10, 12, mean=(0.0,) * 5, std=(1.0,) * 5)
        with pytest.raises(DataError, match="trained on arrays of 5 channels"):
            images.apply(tmp_path / "a.png")

    def test_files_follow_the_unit_of_the_training_arrays(self, tmp_path):
        save(tmp_path / "a.png", np.full((4, 4), 255, np.uint8))
        unit = fit_images(np.random.default_rng(0).random((9, 1, 4, 4)).astype(np.float32))
        expected = (1 - unit.mean[0]) / unit.std[0]
        np.testing.assert_allclose(unit.apply(tmp_path / "a.png"), expected, rtol=1e-5)
        own = fit_images(np.random.default_rng(0).normal(size=(9, 1, 4, 4)).astype(np.float32))
        with pytest.raises(DataError, match="unit of their own"):
            own.apply(tmp_path / "a.png")

    def test_json(self):
        assert Images.from_dict(json.loads(json.dumps(self.images.to_dict()))) == self.images


def test_a_folder_becomes_a_task(tmp_path):
    task = Task.load(make_folder(tmp_path / "pets"))
    assert task.name == "pets"
    assert task.classes == ("cat", "dog")
    assert task.input_shape == (3, 10, 12)
    assert task.train.x.dtype == torch.uint8
    assert [len(task.split(name)) for name in ("train", "validation", "test")] == [14, 5, 5]


def test_the_preparation_of_files_is_that_of_the_task(tmp_path):
    root = make_folder(tmp_path / "pets")
    task = Task.load(root, validation=0.3, test=None)
    names, made = task.preprocessing.read(root)
    assert names[:2] == ["cat/0.png", "cat/1.png"]
    everything = task.split("train+validation")
    rows = {row.numpy().tobytes() for row in task.prepare(everything.x)}
    np.testing.assert_allclose(
        np.sort(made.ravel()), np.sort(task.prepare(everything.x).numpy().ravel()), atol=1e-6
    )
    assert len(rows) == len(made) == 24


def test_sizes_are_the_median_and_capped(tmp_path):
    make_folder(tmp_path / "a", classes=("small", "mid"), size=(10, 12))
    make_folder(tmp_path / "a", n=3, classes=("big",), size=(200, 300))
    folder = read_folder(tmp_path / "a")
    assert folder.parts["train"][0].shape == (27, 3, 10, 12)
    assert any("2 sizes, from 10 x 12 to 200 x 300" in note for note in folder.notes)
    make_folder(tmp_path / "b", n=10, size=(100, 200))
    assert Task.load(tmp_path / "b").input_shape == (3, 32, 64)
    assert Task.load(tmp_path / "b", size=16).input_shape == (3, 16, 16)
    assert Task.load(tmp_path / "b", size=(20, 30)).input_shape == (3, 20, 30)
    with pytest.raises(DataError, match=r"at least 4 pixels.*got 2"):
        Task.load(tmp_path / "b", size=2)


def test_grey_images_have_one_channel_however_stored(tmp_path):
    for mode in ("L", "RGB", "RGBA", "1"):
        for name in "ab":
            for i in range(10):
                array = gradient(seed=i)[:, :, 0]
                save(tmp_path / mode / name / f"{i}.png", array, mode)
        assert Task.load(tmp_path / mode).input_shape == (1, 10, 12)


def test_sixteen_bit_folders_use_the_range_they_have(tmp_path):
    rng = np.random.default_rng(0)
    for name in "ab":
        for i in range(10):
            save(tmp_path / name / f"{i}.png", rng.integers(0, 4096, (9, 9)).astype(np.uint16))
    task = Task.load(tmp_path)
    assert task.preprocessing.inputs.depth == 16.0
    assert task.train.x.max() > 250


def test_given_splits_are_kept(tmp_path):
    for split, n in (("train", 12), ("val", 5), ("test", 4)):
        make_folder(tmp_path / split, n=n)
    task = Task.load(tmp_path)
    assert [len(task.split(name)) for name in ("train", "validation", "test")] == [24, 10, 8]
    assert any("train, validation, test are taken as the splits" in note for note in task.notes)


def test_a_given_test_leaves_validation_to_be_dealt(tmp_path):
    for split, n in (("train", 20), ("test", 4)):
        make_folder(tmp_path / split, n=n)
    task = Task.load(tmp_path, validation=0.25)
    assert [len(task.split(name)) for name in ("train", "validation", "test")] == [30, 10, 8]


def test_a_class_that_only_the_test_holds_is_refused(tmp_path):
    make_folder(tmp_path / "train")
    make_folder(tmp_path / "test", classes=("cat", "cow"))
    with pytest.raises(DataError, match="in the test rows: class 'cow'"):
        Task.load(tmp_path)


def test_other_files_are_left_out_with_a_note(tmp_path):
    make_folder(tmp_path)
    (tmp_path / "cat" / "readme.txt").write_text("hello")
    (tmp_path / "cat" / ".hidden.png").write_text("hidden")
    assert any("1 files that are no images" in note for note in Task.load(tmp_path).notes)


def test_folders_named_by_numbers_can_be_a_regression(tmp_path):
    make_folder(tmp_path, classes=("1.5", "20", "7"))
    task = Task.load(tmp_path, kind="regression")
    assert task.kind == "regression"
    assert not task.augment.flip
    make_folder(tmp_path, classes=("many",))
    with pytest.raises(DataError, match="folders named by numbers"):
        Task.load(tmp_path, kind="regression")


def broken_png(root):
    make_folder(root)
    (root / "cat" / "3.png").write_bytes((root / "cat" / "3.png").read_bytes()[:60])


def no_image(root):
    make_folder(root)
    (root / "dog" / "11.png").write_text("not an image")


def empty_class(root):
    make_folder(root)
    (root / "horse").mkdir()


def text_class(root):
    make_folder(root)
    (root / "horse").mkdir()
    (root / "horse" / "a.txt").write_text("x")


def flat_folder(root):
    save(root / "1.png", gradient())


def empty_folder(root):
    root.mkdir(exist_ok=True)


def one_class(root):
    make_folder(root, n=30, classes=("cat",))


def few_images(root):
    make_folder(root, n=3)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (broken_png, r"3\.png' cannot be read as an image"),
        (
            no_image,
            r"1 of 24 images cannot be read: .*11\.png' is not an image.*skip_unreadable=True",
        ),
        (empty_class, r"class folder '.*horse' holds no files"),
        (text_class, r"class folder '.*horse' holds 1 files, none of them an image"),
        (flat_folder, "one folder a class .* holds 1 images but no folders"),
        (empty_folder, "holds neither folders nor images"),
        (one_class, "at least two classes .* all 30 rows are 'cat'"),
        (few_images, "at least 20 rows are needed .* got 6"),
    ],
)
def test_folders_that_cannot_be_used_are_refused(tmp_path, build, message):
    root = tmp_path / "data"
    build(root)
    with pytest.raises(DataError, match=message):
        Task.load(root)


def test_files_to_predict_on_must_be_there(tmp_path):
    with pytest.raises(DataError, match="holds no image"):
        image_files(tmp_path)
    save(tmp_path / "a.png", gradient())
    with pytest.raises(DataError, match=r"did you mean .*a\.png"):
        image_files(tmp_path / "aa.png")
    assert [one.name for one in image_files(tmp_path)] == ["a.png"]
    assert [one.name for one in image_files([tmp_path / "a.png"])] == ["a.png"]


def spoil(root, *names):
    """Cut images in two: their heads can be read, and the rest cannot."""
    for name in names:
        whole = (root / name).read_bytes()
        (root / name).write_bytes(whole[: len(whole) // 2])
    return root


def test_images_that_cannot_be_read_are_named(tmp_path):
    root = spoil(make_folder(tmp_path / "pets"), *(f"cat/{k}.png" for k in range(7)))
    with pytest.raises(DataError, match=r"7 of 24 images .*cat/0\.png.*\.\.\.\. Repl") as error:
        Task.from_folder(root)
    assert str(error.value).count(".png") == 5


def test_images_that_cannot_be_read_can_be_left_out(tmp_path):
    root = spoil(make_folder(tmp_path / "pets"), "cat/3.png", "dog/11.png")
    (root / "dog" / "0.png").write_bytes(b"no image")
    task = Task.load(root, skip_unreadable=True, test=None)
    assert len(task.train) + len(task.validation) == 21
    (note,) = (note for note in task.summary()["notes"] if "cannot be read" in note)
    assert note.startswith("3 of 24 images cannot be read and were left out: ")
    assert all(name in note for name in ("cat/3.png", "dog/11.png", "dog/0.png"))
    images = np.concatenate([task.train.x.numpy(), task.validation.x.numpy()])
    assert (images.reshape(21, -1).max(1) > 0).all()


def test_no_class_and_not_most_images_are_left_out(tmp_path):
    root = make_folder(tmp_path / "pets", classes=("cat", "dog", "eel"))
    spoil(root, *(f"eel/{k}.png" for k in range(12)))
    with pytest.raises(DataError, match="no image of the class 'eel' is left"):
        Task.from_folder(root, skip_unreadable=True)
    spoil(root, *(f"dog/{k}.png" for k in range(12)))
    with pytest.raises(DataError, match=r"24 of 36 images cannot be read.*most cannot"):
        Task.from_folder(root, skip_unreadable=True)


@pytest.mark.parametrize("size", [3, 0, "8", 8.5, (8, 8, 8), (8,), True, 10**9, (4, 2**22)])
def test_sizes_that_are_none_are_refused(tmp_path, size):
    with pytest.raises(DataError, match="size must be a side"):
        Task.from_folder(make_folder(tmp_path / "pets"), size=size)


def test_a_size_of_numpy_is_one(tmp_path):
    task = Task.from_folder(make_folder(tmp_path / "pets"), size=np.int64(8))
    assert task.input_shape[1:] == (8, 8)


def test_a_folder_of_images_refuses_a_wrong_metric_before_it_is_read(tmp_path):
    root = make_folder(tmp_path / "pets")
    (root / "cat" / "0.png").write_bytes(b"no image")
    with pytest.raises(UnknownNameError, match="unknown metric"):
        Task.from_folder(root, metric="nope")
