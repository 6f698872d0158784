"""Replace a dataset in an object store, where nothing can be renamed, so that it can be read at any time.

A publication uploads all new and changed files to a folder beside the old ones, which stay as they are. Then
the manifest is replaced by one that names the files in that folder: this one request turns the old dataset
into the new one; the card follows, whose patterns would else match files of both. Only now do the files get
their own names: they are copied inside the store, and the card and the manifest are replaced once more. What
stops on the way is finished by the next publication.
"""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from pyarrow import fs

from pipeline.workspace import opened
from stages.split.card import pinned
from stages.split.files import STAGING, own_path, to_json
from stages.split.schema import Row

CARD, MANIFEST = "README.md", "manifest.json"
COPY_MAX = 5 << 30  # bytes; S3 copies no larger object in one request
COPIES = 8  # at once
PIECE = 1 << 24  # bytes of a larger object in memory at once


class StoredDataset:
    """A dataset in an object store.

    Attributes:
        staging: URI of the folder that new files are uploaded to.
    """

    def __init__(self, folder: str) -> None:
        """Open it. Raises OSError.

        Args:
            folder: Its URI, as `normal` returns it.
        """
        self.staging = f"{folder}/{STAGING}"
        self._fs, self._base = opened(folder)

    def manifest(self) -> Row:
        """Read the manifest; empty if there is none, or a damaged one. Raises OSError."""
        try:
            with self._fs.open_input_stream(f"{self._base}/{MANIFEST}") as stream:
                return json.load(stream)
        except (FileNotFoundError, ValueError):
            return {}

    def replace(self, manifest: Row, known: Mapping[str, Row], folders: tuple[str, ...]) -> None:
        """Turn the dataset into the one whose new files are in `staging`.

        Args:
            manifest: Of the new dataset.
            known: The entries of the old manifest, by path; files with the same entry are left as they are.
            folders: Those that a dataset may have; files in them that are not in the manifest are deleted.

        Raises:
            OSError: The store failed. The old dataset or the new one can be read.
        """
        files = [
            file
            if known.get(file["path"]) == file and file["path"] != CARD
            else file | {"path": f"{STAGING}/{file['path']}"}
            for file in manifest["files"]
        ]
        staged = manifest | {"files": files}
        self._write(MANIFEST, to_json(staged))
        self._finish(staged, folders)

    def settle(self, folders: tuple[str, ...]) -> None:
        """Finish what a publication that was interrupted has left. Argument and errors as of `replace`."""
        manifest = self.manifest()
        if any(own_path(file["path"]) != file["path"] for file in manifest.get("files", ())):
            self._finish(manifest, folders)

    def _finish(self, manifest: Row, folders: tuple[str, ...]) -> None:
        files = manifest["files"]
        with self._fs.open_input_stream(f"{self._base}/{STAGING}/{CARD}") as stream:
            card = stream.read()
        self._write(CARD, pinned(card.decode(), [file["path"] for file in files]).encode())
        staged = [file for file in files if file["path"] not in (own_path(file["path"]), f"{STAGING}/{CARD}")]
        with ThreadPoolExecutor(COPIES) as pool:
            list(pool.map(self._unstage, staged))
        final = [file | {"path": own_path(file["path"])} for file in files]
        kept = {f"{self._base}/{file['path']}" for file in final}
        for folder in folders:
            there = self._fs.get_file_info(fs.FileSelector(f"{self._base}/{folder}", allow_not_found=True))
            for info in there:
                if info.is_file and info.path not in kept:
                    self._fs.delete_file(info.path)
        self._write(CARD, card)
        self._write(MANIFEST, to_json(manifest | {"files": final}))
        with suppress(OSError):  # it is in nobody's way, and the next publication deletes it
            self._fs.delete_dir(f"{self._base}/{STAGING}")

    def _unstage(self, file: Mapping[str, Any]) -> None:
        source, target = (f"{self._base}/{path}" for path in (file["path"], own_path(file["path"])))
        if file["bytes"] <= COPY_MAX:
            self._fs.copy_file(source, target)
            return
        with self._fs.open_input_stream(source) as old, self._fs.open_output_stream(target) as new:
            while piece := old.read(PIECE):
                new.write(piece)

    def _write(self, name: str, content: bytes) -> None:
        with self._fs.open_output_stream(f"{self._base}/{name}") as stream:
            stream.write(content)
