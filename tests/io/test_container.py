import pickle
import sys

import numpy as np
import pytest

from sk_deepsets.io._container import _checksum, read_file, write_file

safetensors = pytest.importorskip("safetensors")
numpy_files = pytest.importorskip("safetensors.numpy")

ARRAYS = {
    "scalar": np.array(1.5),
    "empty": np.zeros((0, 3), dtype=np.float32),
    "big-endian": np.arange(3, dtype=">i4"),
    "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "bools": np.array([True, False]),
}


@pytest.fixture
def path(tmp_path):
    write_file(tmp_path / "file", {"name": 'é " \\', "nothing": None, "number": 0.1}, ARRAYS)
    return tmp_path / "file"


def test_settings_and_arrays_come_back(path):
    settings, arrays = read_file(path)
    assert settings == {"name": 'é " \\', "nothing": None, "number": 0.1}
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array, strict=name != "big-endian")


def test_any_reader_of_safetensors_can_read_it(path):
    for name, array in numpy_files.load_file(path).items():
        np.testing.assert_array_equal(array, ARRAYS[name])


def test_every_bit_counts(path):
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    places = {*range(8 * 8), *rng.integers(0, 8 * len(content), 200).tolist()}
    for place in places:
        broken = bytearray(content)
        broken[place // 8] ^= 1 << place % 8
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=r"checksum|was not written by sk_deepsets\.io\.save"):
            read_file(path)


def test_every_byte_counts(path):
    content = path.read_bytes()
    for length in range(0, len(content), 3):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"checksum|was not written by sk_deepsets\.io\.save"):
            read_file(path)
    path.write_bytes(content + b"\0")
    with pytest.raises(ValueError, match="or is damaged"):
        read_file(path)


@pytest.mark.parametrize("content", [b"", b"{}", pickle.dumps([1] * 99), bytes(999)])
def test_other_files_are_told(path, content):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"file was not written by sk_deepsets\.io\.save"):
        read_file(path)


def opened(path):
    with safetensors.safe_open(path, "numpy") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays, metadata: arrays.update(scalar=np.array(2.5)),
        lambda arrays, metadata: arrays.update(scalar=arrays["scalar"].reshape(1)),
        lambda arrays, metadata: arrays.update(columns=arrays["columns"].reshape(3, 2)),
        lambda arrays, metadata: arrays.update(bools=arrays["bools"].astype(np.uint8)),
        lambda arrays, metadata: arrays.update(other=arrays.pop("scalar")),
        lambda arrays, metadata: arrays.pop("empty"),
        lambda arrays, metadata: arrays.update(more=np.zeros(0)),
        lambda arrays, metadata: metadata.update(sk_deepsets=metadata["sk_deepsets"] + " "),
        lambda arrays, metadata: metadata.update(sha256=metadata["sha256"].upper()),
    ],
)
def test_a_file_that_another_tool_changed_is_an_error(path, change):
    arrays, metadata = opened(path)
    numpy_files.save_file(arrays, path, metadata)
    read_file(path)  # as it was
    change(arrays, metadata)
    numpy_files.save_file(arrays, path, metadata)
    with pytest.raises(ValueError, match="is damaged: its checksum is wrong"):
        read_file(path)


@pytest.mark.parametrize("text", ["[" * 100_000, "3", "no JSON", None])
@pytest.mark.parametrize("with_checksum", [True, False])
def test_settings_that_are_none_are_an_error(path, text, with_checksum):
    metadata = {} if text is None else {"sk_deepsets": text}
    if with_checksum:
        metadata["sha256"] = _checksum(text or "", {})
    numpy_files.save_file({}, path, metadata)
    with pytest.raises(ValueError, match="file was not written by"):
        read_file(path)


def test_without_safetensors_the_error_says_how_to_get_it(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    for call in (lambda: write_file(path, {}, {}), lambda: read_file(path)):
        with pytest.raises(ImportError, match=r'need safetensors: pip install "sk-deepsets\[io\]"'):
            call()


def test_a_file_that_is_not_there_is_as_everywhere(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "nothing")


def test_a_failed_write_leaves_the_old_file(path, monkeypatch):
    before = path.read_bytes()

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_file(path, {}, {})
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
