import json
import pickle

import numpy as np
import pytest

from sk_deepsets.io._container import BEGINNING, DIGEST, _digest, read_file, write_file

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
    read = pytest.importorskip("safetensors.numpy").load_file
    for name, array in read(path).items():
        np.testing.assert_array_equal(array, ARRAYS[name])


def test_every_bit_counts(path):
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    places = {*range(8 * 8), *rng.integers(0, 8 * len(content), 200).tolist()}
    for place in places:
        broken = bytearray(content)
        broken[place // 8] ^= 1 << place % 8
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=r"checksum|was not written by"):
            read_file(path)


def test_every_byte_counts(path):
    content = path.read_bytes()
    for length in range(0, len(content), 3):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"checksum|was not written by"):
            read_file(path)
    path.write_bytes(content + b"\0")
    with pytest.raises(ValueError, match="checksum"):
        read_file(path)


@pytest.mark.parametrize("content", [b"", b"{}", pickle.dumps([1] * 99), bytes(999)])
def test_other_files_are_told(path, content):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"file was not written by sk_deepsets\.io\.save"):
        read_file(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header["scalar"].update(data_offsets=[0, 2**40]),
        lambda header: header["scalar"].update(data_offsets=[-8, 0]),
        lambda header: header["scalar"].update(shape=[2]),
        lambda header: header["scalar"].update(dtype="OBJECT"),
        lambda header: header["scalar"].update(more=1),
        lambda header: header.update(scalar=3),
        lambda header: header["__metadata__"].update(sk_deepsets="[" * 100_000),
        lambda header: header["__metadata__"].update(sk_deepsets="3"),
        lambda header: header["__metadata__"].pop("sk_deepsets"),
    ],
)
def test_a_forged_header_is_an_error(path, change):
    content = path.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    change(header)
    text = json.dumps(header, separators=(",", ":")).encode()
    assert text.startswith(BEGINNING)
    forged = bytearray(len(text).to_bytes(8, "little") + text + content[end:])
    forged[DIGEST] = _digest(forged)
    path.write_bytes(forged)
    with pytest.raises(ValueError, match="was not written by"):
        read_file(path)


def test_a_failed_write_leaves_the_old_file(path, monkeypatch):
    before = path.read_bytes()

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_file(path, {}, {})
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
