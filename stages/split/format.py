"""What a trainer's format is, and the registry that finds them.

A new format is one file in `stages/split/formats/` with a subclass of `Format`; the settings, the dataset
card, the manifest and the folders follow from it.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from pipeline.registry import Registry
from stages.split.schema import Row, Split, Tier


class Format(ABC):
    """The rows of a dataset as one trainer reads them.

    A row of either tier has `id`, `clip_id`, `split`, `question`, `category` and `video` (the name of the
    video's file in the tars). An SFT row also has `answer`; a DPO row has `chosen`, `rejected`,
    `chosen_source`, `kind` and `verifier`. All are strings. `stages.split.files` has helpers that write
    JSON and Parquet so that the same rows always give the same bytes.

    Attributes:
        name: What `split.formats` calls the format.
        folder: Folder of its files in the dataset.
        purpose: Who reads it, in one line of Markdown for the dataset card.
    """

    name: ClassVar[str]
    folder: ClassVar[str]
    purpose: ClassVar[str]

    @abstractmethod
    def files(self, tier: Tier, split: Split, rows: Sequence[Row]) -> Mapping[str, bytes]:
        """Convert the rows of one tier and split.

        Args:
            tier: Which columns the rows have.
            split: The split that all the rows are in.
            rows: At least one, in the order of their ids.

        Returns:
            Contents by file name. All the rows are counted for each of the files.
        """

    def shared_files(self, parts: Sequence[tuple[Tier, Split]]) -> Mapping[str, bytes]:
        """Describe all the parts of the dataset together, where the trainer wants that; by default nothing.

        Args:
            parts: The tier and split of every call to `files`.

        Returns:
            Contents by file name.
        """
        return {}


FORMATS = Registry("format", "stages.split.formats", Format)
