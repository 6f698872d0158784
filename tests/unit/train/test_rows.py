"""Rows of instruction sets, and what is said of files that cannot be read as such."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import CallError
from stages.train.rows import Source, read_rows, select


def write_json(path: Path, items: list[Any], lines: bool = False) -> Path:
    path.write_text("\n".join(map(json.dumps, items)) if lines else json.dumps(items), encoding="utf-8")
    return path


def human(text: str) -> dict[str, str]:
    return {"from": "human", "value": text}


def gpt(text: str) -> dict[str, str]:
    return {"from": "gpt", "value": text}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.mp4", "sub/b.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"-")
    return tmp_path


def test_sharegpt4video_captions_become_questions_and_answers(folder: Path) -> None:
    captions = [{"idx": "0", "content": "A frame."}, {"idx": "-1", "content": "Ein Käfer läuft. 🐞"}]
    item = {"video_id": "x", "video_path": "sub/b.mp4", "captions": captions, "zip_folder": "z.zip"}
    source = Source(str(write_json(folder / "c.jsonl", [item], lines=True)), "sharegpt4video")
    (row,) = read_rows(source, "sft", "train").rows
    assert (row["id"], row["images"]) == ("x", [str(folder / "sub/b.mp4")])
    assert [m["role"] for m in row["messages"]] == ["user", "assistant"]
    assert row["messages"][1]["content"] == "Ein Käfer läuft. 🐞"


def test_the_sharegpt4video_mix_is_read_and_rows_without_a_video_are_counted(folder: Path) -> None:
    conversation = [human("<video>\nWhat?"), gpt("A cat."), human("Where?"), gpt("There.")]
    items = [
        {"id": 7, "video": "a.mp4", "conversations": conversation},
        {"id": 8, "image": "p.jpg", "conversations": [human("<image>\nWhat?"), gpt("A dog.")]},
        {"id": 9, "conversations": [human("Hi"), gpt("Hello")]},
    ]
    found = read_rows(Source(str(write_json(folder / "m.json", items)), "sharegpt4video"), "sft", "train")
    (row,) = found.rows
    assert found.without_video == 2
    assert [m["content"] for m in row["messages"]] == ["What?", "A cat.", "Where?", "There."]


def test_llava_preferences_are_read_without_the_tag_for_the_video(folder: Path) -> None:
    item = {"id": "1", "video": "a.mp4", "prompt": "<video>\nHow?", "chosen": "Left.", "rejected": "Right."}
    (row,) = read_rows(Source(str(write_json(folder / "d.json", [item])), "llava"), "dpo", "train").rows
    assert (row["prompt"], row["chosen"], row["rejected"]) == ("How?", "Left.", "Right.")


def test_a_missing_video_is_named_with_what_to_do_and_may_be_skipped(folder: Path) -> None:
    items = [{"video": name, "conversations": [human("Q"), gpt("A")]} for name in ("gone.mp4", "a.mp4")]
    source = Source(str(write_json(folder / "m.json", items)), "llava")
    with pytest.raises(
        CallError, match=r"1 of the videos .* missing.*gone\.mp4.*--videos.*skip_missing=true"
    ):
        read_rows(source, "sft", "train")
    found = read_rows(source, "sft", "train", skip_missing=True)
    assert [Path(row["images"][0]).name for row in found.rows] == ["a.mp4"]
    assert found.missing == (str(folder / "gone.mp4"),)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no sft row with a video"),
        ("[]", "no sft row with a video"),
        ("{", "cannot read .* as JSON"),
        ("[3]", "item 0 is not in the format 'llava' for sft"),
        ('[{"video": "a.mp4"}]', "item 0 is not in the format 'llava' for sft .*conversations"),
        ('[{"video": "a.mp4", "conversations": []}]', "item 0 .*a question and an answer"),
    ],
)
def test_a_file_in_another_format_is_refused_with_the_place(folder: Path, text: str, says: str) -> None:
    (folder / "x.json").write_text(text)
    with pytest.raises(CallError, match=says):
        read_rows(Source(str(folder / "x.json"), "llava"), "sft", "train")


def test_of_a_dataset_that_is_being_replaced_one_version_is_read(folder: Path) -> None:
    for place, text in (("sft", "Old."), (".new/sft", "New.")):
        (folder / place).mkdir(parents=True)
        messages = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": text}]
        row = {"id": "1", "video": "a.mp4", "messages": messages}
        pq.write_table(
            pa.Table.from_pylist([row]), folder / place / f"train-0000{len(place) % 2}-of-00001.parquet"
        )
    (new,) = (folder / ".new" / "sft").iterdir()
    (folder / "manifest.json").write_text(json.dumps({"files": [{"path": f".new/sft/{new.name}"}]}))
    (read,) = read_rows(Source(str(folder), videos=str(folder)), "sft", "train").rows
    assert read["messages"][1]["content"] == "New."
    (folder / "manifest.json").unlink()
    assert len(read_rows(Source(str(folder), videos=str(folder)), "sft", "train").rows) == 1


def test_a_folder_without_a_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CallError, match=r"no sft/train-\*\.parquet in .*motionsight split"):
        read_rows(Source(str(tmp_path)), "sft", "train")


@given(st.integers(0, 100), st.integers(1, 20))
def test_a_sample_keeps_the_order_and_has_at_most_the_asked_size(rows: int, count: int) -> None:
    chosen = [row["k"] for row in select([{"k": k} for k in range(rows)], count)]
    assert len(chosen) == min(rows, count)
    assert chosen == sorted(set(chosen))


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ("<video>\nWhat?", "What?"),
        ("What?\n<video>", "What?"),
        ("Watch <video> and say", "Watch and say"),
        ("Watch<video>and say", "Watch and say"),
        ("In the clip <video>, what?", "In the clip, what?"),
        ("First line.\n<video>\nSecond line.", "First line.\nSecond line."),
        ("<image>\n<video>\nWhat?", "What?"),
        ("<video>", ""),
        ("  Two  spaces ", "  Two  spaces "),
        pytest.param("a" + " " * 200_000 + "b", "a" + " " * 200_000 + "b", id="long"),
    ],
)
def test_a_tag_in_a_sentence_leaves_its_words_apart(folder: Path, given_: str, expected: str) -> None:
    sft = {"video": "a.mp4", "conversations": [human(given_), gpt("Yes.")]}
    (row,) = read_rows(Source(str(write_json(folder / "s.json", [sft])), "llava"), "sft", "train").rows
    assert row["messages"][0]["content"] == expected
    dpo = {"video": "a.mp4", "prompt": given_, "chosen": "a", "rejected": "b"}
    (row,) = read_rows(Source(str(write_json(folder / "d.json", [dpo])), "llava"), "dpo", "train").rows
    assert row["prompt"] == expected


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_json_lines_of_any_encoding_end_at_newlines_alone(folder: Path, encoding: str) -> None:
    said = "é" if encoding == "latin-1" else "é\u2028\x85\x0bs"
    item = {"video": "a.mp4", "conversations": [human("What?"), gpt(said)]}
    line = json.dumps(item, ensure_ascii=False)
    (folder / "a.jsonl").write_bytes(f"{line}\r\n\n{line}\n".encode(encoding))
    rows = read_rows(Source(str(folder / "a.jsonl"), "llava"), "sft", "train").rows
    assert [row["messages"][1]["content"] for row in rows] == [said, said]


def test_text_that_cannot_be_stored_is_made_so_and_a_damaged_line_is_named(folder: Path) -> None:
    item = {"id": 0, "video": "a.mp4", "conversations": [human("What?"), gpt("\ud800")], "x": "[" * 9}
    line = json.dumps(item).replace('"[[[[[[[[["', "[" * 200_000 + "]" * 200_000)
    (folder / "a.jsonl").write_text(line)
    (row,) = read_rows(Source(str(folder / "a.jsonl"), "llava"), "sft", "train").rows
    assert (row["id"], row["messages"][1]["content"]) == ("0", "?")
    (folder / "a.jsonl").write_text(line + "\n{")
    with pytest.raises(CallError, match="line 2"):
        read_rows(Source(str(folder / "a.jsonl"), "llava"), "sft", "train")
