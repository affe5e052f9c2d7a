"""Data sets on disk: streams, folders that are whole or not there, full disks; batches, moments."""

import shutil
import subprocess

import numpy as np
import pytest

from cogan_lib.base.files import CoganError
from cogan_lib.companions.line_transfer.data import make_data
from cogan_lib.learn.dataset import Batches, Moments, Stream, fresh_folder
from tests.toys import file_size_limit

VALUES = np.random.default_rng(1).normal(size=(20, 3, 100))


@pytest.fixture
def disk_of_1_mb(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int64])
def test_a_stream_is_what_numpy_saves(tmp_path, dtype):
    values = VALUES.astype(dtype)
    np.save(tmp_path / "whole.npy", values)
    with Stream(tmp_path / "parts.npy", values.shape, dtype) as stream:
        for part in np.split(values, [1, 9, 9, 17]):
            stream.append(part)
    assert (tmp_path / "parts.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()
    np.testing.assert_array_equal(np.load(tmp_path / "parts.npy", mmap_mode="r"), values)


def test_a_stream_takes_as_many_rows_as_it_said(tmp_path):
    for parts, words in (
        ([VALUES[:19]], "19 of 20 rows were written"),
        ([VALUES[:1], VALUES], "do not fit"),
        ([VALUES[:1], VALUES[:1, :2]], "do not fit"),
    ):
        stream = Stream(tmp_path / "a.npy", VALUES.shape, float)
        with pytest.raises(ValueError, match=words), stream:
            for part in parts:
                stream.append(part)


def fill(folder, values):
    with fresh_folder(folder) as fresh, Stream(fresh / "a.npy", values.shape, float) as stream:
        for row in values:
            stream.append(row[None])


def test_a_folder_is_whole_or_the_old_one(tmp_path):
    fill(tmp_path / "sub" / "data", VALUES)
    with pytest.raises(KeyError), fresh_folder(tmp_path / "sub" / "data") as fresh:
        (fresh / "a.npy").write_text("half", "utf-8")
        raise KeyError
    np.testing.assert_array_equal(np.load(tmp_path / "sub" / "data" / "a.npy"), VALUES)
    fill(tmp_path / "sub" / "data", 2 * VALUES)
    np.testing.assert_array_equal(np.load(tmp_path / "sub" / "data" / "a.npy"), 2 * VALUES)
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["data"]
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(CoganError, match="Cannot write .*data: File exists"):
        fill(tmp_path / "file" / "data", VALUES)


def test_a_file_too_large_for_the_disk_leaves_the_old_folder(tmp_path):
    fill(tmp_path / "data", VALUES)
    words = "Cannot write .*data: File too large. Make room on the disk"
    with file_size_limit(20_000), pytest.raises(CoganError, match=words):
        fill(tmp_path / "data", np.zeros((20, 3, 100)))
    np.testing.assert_array_equal(np.load(tmp_path / "data" / "a.npy"), VALUES)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_full_disk_is_a_sentence_not_a_death(disk_of_1_mb):
    """A memory map ends the process with SIGBUS here."""
    words = "Cannot write .*data: No space left on device. Make room on the disk"
    with pytest.raises(CoganError, match=words):
        fill(disk_of_1_mb / "data", np.ones((3000, 1, 100)))
    with pytest.raises(CoganError, match=words):
        make_data(disk_of_1_mb / "data", 50, 1, 16, seed=1)
    assert not list(disk_of_1_mb.iterdir())
    make_data(disk_of_1_mb / "data", 10, 1, 16, seed=1)


def test_batches_are_epochs_of_all_rows_in_new_orders():
    rows = np.arange(5, 28)
    one, same, other = (
        Batches(rows, lambda some, rng: (some, rng.random()), 5, seed) for seed in (1, 1, [1, 2])
    )
    first, second = list(one), list(one)
    assert len(one) == len(first) == 5
    for epoch in (first, second):
        np.testing.assert_array_equal(np.sort(np.concatenate([some for some, _ in epoch])), rows)
        assert all((np.diff(some) > 0).all() and len(some) in (4, 5) for some, _ in epoch)
    drawn = [[number for _, number in epoch] for epoch in (first, second, list(same), list(other))]
    assert drawn[0] == drawn[2] and drawn[0] != drawn[1] and drawn[0] != drawn[3]
    assert len(Batches(rows[:0], lambda some, rng: some, 5, 1)) == 0


def test_chunked_moments_are_numpys():
    values = np.random.default_rng(4).normal(1e6, 3.0, 10_000)  # large mean: naive sums fail
    moments = Moments()
    for chunk in np.split(values, [1, 17, 5000]):
        moments.add(chunk)
    assert moments.count == values.size
    assert moments.mean == pytest.approx(values.mean(), rel=1e-14)
    assert moments.std == pytest.approx(values.std(), rel=1e-10)
