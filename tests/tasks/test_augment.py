import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from archwright.errors import DataError
from archwright.tasks import Augmentation, Task
from archwright.tasks.augment import background, default_augmentation, mirrors_help
from archwright.tasks.images import fit_images


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def dots(n=64, side=9):
    """One bright pixel in the middle of each image."""
    x = torch.zeros(n, 1, side, side)
    x[:, :, side // 2, side // 2] = 1.0
    return x


ALL = [
    Augmentation(),
    Augmentation(shift=2),
    Augmentation(flip=True),
    Augmentation(shift=1, flip=True, cutout=3),
    Augmentation(shift=1, rotate=10, scale=0.1, shear=0.1, flip=True),
]


@pytest.mark.parametrize("augment", ALL)
@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8, torch.float64])
@pytest.mark.parametrize("shape", [(5, 1, 8, 8), (3, 1, 7, 12), (1, 1, 4, 4)])
def test_shape_and_type_stay_and_the_same_seed_does_the_same(augment, dtype, shape):
    x = (torch.rand(shape, generator=generator()) * 200).to(dtype)
    before = x.clone()
    first, second = augment(x, generator(1)), augment(x, generator(1))
    assert first.shape == x.shape
    assert first.dtype == dtype
    assert torch.equal(first, second)
    assert torch.equal(x, before)


def test_the_global_random_state_is_left_alone():
    before = torch.random.get_rng_state()
    ALL[-1](dots(), generator())
    assert torch.equal(torch.random.get_rng_state(), before)


def test_shifts_reach_every_place_in_range_and_none_beyond():
    moved = Augmentation(shift=2)(dots(2000), generator())
    places = moved.flatten(1).argmax(1)
    rows, columns = places // 9 - 4, places % 9 - 4
    assert moved.flatten(1).sum(1).eq(1).all()
    assert set(rows.tolist()) == set(columns.tolist()) == {-2, -1, 0, 1, 2}
    assert abs(rows.float().mean()) < 0.15


def test_flips_mirror_about_half_of_the_images():
    x = torch.arange(8.0).expand(1000, 1, 8, 8)
    flipped = Augmentation(flip=True)(x, generator())
    mirrored = (flipped == x.flip(3)).flatten(1).all(1)
    same = (flipped == x).flatten(1).all(1)
    assert (mirrored ^ same).all()
    assert 400 < mirrored.sum() < 600


def test_the_affine_map_without_change_is_the_identity():
    x = torch.rand(4, 2, 9, 12, generator=generator())
    still = Augmentation(rotate=1e-6, fill=(0.0, 0.0))
    assert torch.allclose(still(x, generator()), x, atol=1e-3)


def test_a_rotation_keeps_distances_in_images_that_are_not_square():
    x = torch.zeros(200, 1, 21, 41)
    x[:, :, 10, 28] = 1.0  # eight pixels right of the middle
    turned = Augmentation(rotate=80)(x, generator())
    places = turned.flatten(1).argmax(1)
    rows, columns = places // 41 - 10, places % 41 - 20
    distance = (rows.float() ** 2 + columns.float() ** 2).sqrt()
    assert (distance - 8).abs().max() < 1.0
    assert rows.abs().max() > 6


def test_what_comes_in_from_outside_is_the_background():
    x = torch.full((50, 1, 6, 6), 200, dtype=torch.uint8)
    augment = Augmentation(shift=2, fill=(30.0,), mean=(100.0,), std=(10.0,))
    assert set(augment(x, generator()).unique().tolist()) == {30, 200}
    prepared = (x.float() - 100) / 10
    assert set(augment(prepared, generator()).unique().tolist()) == {-7.0, 10.0}


def test_raw_and_prepared_images_are_changed_alike():
    x = (torch.rand(20, 1, 8, 8, generator=generator()) * 255).to(torch.uint8)
    augment = Augmentation(shift=1, rotate=10, cutout=2, fill=(9.0,), mean=(100.0,), std=(50.0,))
    raw = (augment(x, generator(4)).float() - 100) / 50
    prepared = augment((x.float() - 100) / 50, generator(4))
    assert (raw - prepared).abs().max() <= 0.5 / 50 + 1e-5


def test_erased_squares_have_their_size():
    erased = Augmentation(cutout=3)(torch.ones(300, 1, 9, 9), generator())
    counts = (erased == 0).flatten(1).sum(1)
    assert counts.max() == 9
    assert counts.min() >= 1


@pytest.mark.parametrize(
    ("given", "message"),
    [({"shift": -1}, "shift must not be negative"), ({"scale": 1.0}, "scale must be below 1")],
)
def test_changes_out_of_range_are_refused(given, message):
    with pytest.raises(DataError, match=message):
        Augmentation(**given)


def test_a_batch_that_is_no_images_is_refused():
    with pytest.raises(DataError, match="batch x channels x height x width"):
        Augmentation(shift=1)(torch.zeros(3, 4), generator())


def test_the_background_is_what_borders_show():
    white = torch.full((10, 1, 8, 8), 255, dtype=torch.uint8)
    white[:, :, 3:5, 3:5] = 0
    assert background(white) == (255.0,)
    noise = torch.rand(50, 3, 8, 8, generator=generator())
    assert background(noise) == pytest.approx((0.5, 0.5, 0.5), abs=0.05)


def images_of(x):
    return fit_images(x.numpy())


def test_digits_are_not_mirrored():
    data = load_digits()
    x = torch.from_numpy(data.images).to(torch.uint8)[:, None]
    assert not mirrors_help(x, data.target, images=images_of(x), kind="classification")


def blobs(n, side, rng, *, position):
    """Noisy squares: bright or dark by class; or, by position, left or right."""
    y = rng.integers(0, 2, n)
    x = rng.normal(0.5, 0.1, (n, 1, side, side)).astype(np.float32)
    for k in range(n):
        if position:
            start = 1 if y[k] else side - 4
            x[k, 0, 3:6, start : start + 3] += 1.0
        else:
            start = rng.integers(0, side - 3)
            x[k, 0, 3:6, start : start + 3] += 1.0 if y[k] else -1.0
    return torch.from_numpy(x), y


def test_mirrors_help_where_classes_have_no_side_and_not_where_they_have():
    rng = np.random.default_rng(0)
    x, y = blobs(800, 12, rng, position=False)
    assert mirrors_help(x, y, images=images_of(x), kind="classification")
    assert not mirrors_help(x, y, images=images_of(x), kind="regression")
    x, y = blobs(800, 12, rng, position=True)
    assert not mirrors_help(x, y, images=images_of(x), kind="classification")


def test_one_class_with_a_side_among_many_is_enough_to_forbid_mirrors():
    rng = np.random.default_rng(1)
    x, y = blobs(1600, 12, rng, position=False)
    sided, side = blobs(200, 12, rng, position=True)
    x, y = torch.cat([x, sided + 2]), np.concatenate([y, side + 2])
    assert not mirrors_help(x, y, images=images_of(x), kind="classification")


def test_few_images_are_mirrored_only_when_colour_and_not_tiny():
    small = torch.rand(40, 3, 32, 32, generator=generator())
    grey = small[:, :1]
    y = np.arange(40) % 2
    assert mirrors_help(small, y, images=images_of(small), kind="classification")
    assert not mirrors_help(grey, y, images=images_of(grey), kind="classification")


def test_the_default_is_sized_to_the_images():
    augment = Task.load("digits").augment
    assert augment.shift == 1
    assert not augment.flip
    big = torch.rand(40, 3, 56, 56, generator=generator())
    sized, notes = default_augmentation(
        big, np.arange(40) % 2, images=images_of(big), kind="classification"
    )
    assert sized.shift == 3
    assert sized.flip
    assert "shifted by up to 3 pixels" in notes[0]
