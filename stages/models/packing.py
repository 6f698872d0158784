"""Calls of models in other environments, as bytes that any version of NumPy can read."""

import io
import pickle
from typing import Any

import numpy as np

Packed = tuple[bytes, list[pickle.PickleBuffer]]


class _Pickler(pickle.Pickler):
    """Sends arrays as plain memory: NumPy 1.26 cannot read what NumPy 2 pickles."""

    def reducer_override(self, thing: Any) -> Any:
        if type(thing) is not np.ndarray or thing.dtype.hasobject:
            return NotImplemented
        whole = np.ascontiguousarray(thing)
        return np.ndarray, (thing.shape, whole.dtype.str, pickle.PickleBuffer(whole.data))


def pack(value: Any) -> Packed:
    """Serialise a value.

    Returns:
        Bytes and, uncopied, the memory of its arrays, which come out of `unpack` read-only.
    """
    buffers: list[pickle.PickleBuffer] = []
    file = io.BytesIO()
    _Pickler(file, protocol=5, buffer_callback=buffers.append).dump(value)
    return file.getvalue(), buffers


def unpack(packed: Packed) -> Any:
    """Return the value that went into `pack`, here or in another process."""
    data, buffers = packed
    return pickle.loads(data, buffers=buffers)
