from __future__ import annotations

import numpy as np
import pytest

import scratchconv
from scratchconv.autograd import Tensor
from scratchconv.data import ArrayDataset, DataLoader, transforms

N = 23


def numbered(transform: transforms.Transform | None = None) -> ArrayDataset:
    """Images that all differ, image i labelled i."""
    images = np.random.default_rng(0).integers(0, 256, (N, 8, 6, 3), np.uint8)
    return ArrayDataset(images, np.arange(N), transform=transform)


def order(loader: DataLoader) -> list[int]:
    return np.concatenate([labels for _, labels in loader.batches()]).tolist()


def test_gives_tensors_channels_last_in_memory() -> None:
    data = numbered(transforms.ToTensor())
    images, labels = next(iter(DataLoader(data, batch_size=4)))
    assert isinstance(images, Tensor) and isinstance(labels, Tensor)
    assert (images.shape, images.dtype, labels.shape, labels.dtype) == ((4, 3, 8, 6), np.float32, (4,), np.int64)
    assert images.numpy().transpose(0, 2, 3, 1).flags.c_contiguous
    np.testing.assert_array_equal(images.numpy(), data.images[:4].transpose(0, 3, 1, 2) / np.float32(255))


def test_without_a_transform_pixels_stay_pixels() -> None:
    images, _ = next(DataLoader(numbered(), batch_size=4).batches())
    np.testing.assert_array_equal(images, numbered().images[:4])


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize(("batch_size", "drop_last", "sizes"), [(10, False, [10, 10, 3]), (10, True, [10, 10]),
                                                                (23, True, [23]), (24, False, [23]), (24, True, []),
                                                                (1, False, [1] * 23)])  # fmt: skip
def test_batches_cover_the_data_once(shuffle: bool, batch_size: int, drop_last: bool, sizes: list[int]) -> None:
    loader = DataLoader(numbered(), batch_size, shuffle=shuffle, drop_last=drop_last, seed=0)
    batches = list(loader.batches())
    assert [len(labels) for _, labels in batches] == sizes and len(loader) == len(sizes)
    seen = [label for _, labels in batches for label in labels.tolist()]
    assert len(set(seen)) == sum(sizes)
    assert shuffle or seen == list(range(sum(sizes)))
    for images, labels in batches:
        np.testing.assert_array_equal(images, numbered().images[labels])


def test_a_seed_fixes_all_epochs_and_each_is_another() -> None:
    one, two = (DataLoader(numbered(), 5, shuffle=True, seed=3) for _ in range(2))
    epochs = [order(one) for _ in range(3)]
    assert epochs == [order(two) for _ in range(3)]
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert order(DataLoader(numbered(), 5, shuffle=True, seed=4)) not in epochs


def test_the_epoch_counts_and_can_be_set() -> None:
    loader = DataLoader(numbered(), 5, shuffle=True, seed=3)
    epochs = [order(loader) for _ in range(3)]
    assert loader.epoch == 3
    loader.epoch = 1
    assert [order(loader), order(loader)] == epochs[1:]


def test_epochs_may_overlap() -> None:
    loader = DataLoader(numbered(), 5, shuffle=True, seed=3)
    apart = [order(loader), order(loader)]
    loader.epoch = 0
    both = list(zip(loader.batches(), loader.batches(), strict=True))
    assert [np.concatenate([pair[i][1] for pair in both]).tolist() for i in (0, 1)] == apart


def test_a_generator_as_the_seed() -> None:
    one, two = (DataLoader(numbered(), 5, shuffle=True, seed=np.random.default_rng(1)) for _ in range(2))
    epochs = [order(one), order(one)]
    assert epochs == [order(two), order(two)] and epochs[0] != epochs[1]


def test_manual_seed_seeds_a_loader_without_a_seed() -> None:
    loader = DataLoader(numbered(), 5, shuffle=True)
    scratchconv.manual_seed(5)
    epochs = [order(loader), order(loader)]
    scratchconv.manual_seed(5)
    assert epochs == [order(loader), order(loader)] and epochs[0] != epochs[1]


def test_augmentation_is_seeded_and_new_in_each_epoch() -> None:
    data = numbered(transforms.Compose([transforms.RandomHorizontalFlip(), transforms.RandomCrop(4)]))

    def epoch(loader: DataLoader) -> np.ndarray:
        return np.concatenate([images for images, _ in loader.batches()])

    one, two = (DataLoader(data, 5, seed=3) for _ in range(2))
    first = epoch(one)
    np.testing.assert_array_equal(first, epoch(two))
    assert not np.array_equal(first, epoch(one))


def test_the_data_set_is_left_unchanged() -> None:
    steps = [transforms.RandomHorizontalFlip(1), transforms.RandomCrop(8, padding=2), transforms.ToTensor()]
    data = numbered(transforms.Compose([*steps, transforms.Normalize(0.5, 0.5)]))
    before = data.images.copy()
    list(DataLoader(data, 5, shuffle=True))
    np.testing.assert_array_equal(data.images, before)


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, None])
def test_bad_batch_size(batch_size: object) -> None:
    with pytest.raises(ValueError, match=f"batch_size is a positive integer, got {batch_size}"):
        DataLoader(numbered(), batch_size)  # type: ignore[arg-type]


def test_bad_seed() -> None:
    with pytest.raises(TypeError, match=r"seed is an integer, .* got 'zero'"):
        DataLoader(numbered(), seed="zero")  # type: ignore[arg-type]


def test_repr_says_how_it_loads() -> None:
    assert repr(DataLoader(numbered(), 5, True, seed=1)).endswith(
        "batch_size=5, shuffle=True, drop_last=False, seed=1)"
    )
