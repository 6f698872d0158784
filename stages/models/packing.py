"""Serialise calls of models in other environments so that any version of NumPy can read them."""

import io
import pickle
from typing import Any

import numpy as np

Packed = tuple[bytes, list[pickle.PickleBuffer]]


class _Pickler(pickle.Pickler):
    """Pickles arrays as plain memory, because NumPy 1.26 cannot read the pickles of NumPy 2."""

    def reducer_override(self, thing: Any) -> Any:
        if type(thing) is not np.ndarray or thing.dtype.hasobject:
            return NotImplemented
        whole = np.ascontiguousarray(thing)
        return np.ndarray, (thing.shape, whole.dtype.str, pickle.PickleBuffer(whole.data))


def pack(value: Any) -> Packed:
    """Serialise a value.

    Returns:
        The pickle and, not copied, the memory of its arrays, which are read-only after `unpack`.
    """
    buffers: list[pickle.PickleBuffer] = []
    file = io.BytesIO()
    _Pickler(file, protocol=5, buffer_callback=buffers.append).dump(value)
    return file.getvalue(), buffers


def unpack(packed: Packed) -> Any:
    """Restore a value that `pack` serialised, here or in another process."""
    data, buffers = packed
    return pickle.loads(data, buffers=buffers)
