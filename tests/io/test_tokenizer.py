"""Rules for turning texts into token ids with any `tokenizer.json`."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixture_builder.errors import UsageError
from mixture_builder.io.tokenizer import Tokenizer, as_lists, as_rows, load_tokenizer
from mixture_builder.token_lists import token_lists
from tests.export.helpers import END, byte_ids, write_byte_tokenizer

pytest.importorskip("tokenizers", reason="the package tokenizers is not installed")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    """A token for each byte; its file cuts texts at 5 tokens and pads them to 64."""
    folder = tmp_path_factory.mktemp("tokenizer")
    return load_tokenizer(str(write_byte_tokenizer(folder / "tokenizer.json")))


@given(texts=st.lists(st.text(), max_size=6))
def test_texts_are_tokenised_whole_and_alone(tokenizer: Tokenizer, texts: list[str]):
    """Nothing is cut, padded or added, whatever the file says; empty texts have no tokens."""
    found = tokenizer.encode(pa.chunked_array([pa.array(texts, pa.string())]))

    assert found.to_lists() == [byte_ids(text) for text in texts]


def test_many_texts_keep_their_order(tokenizer: Tokenizer):
    """Texts are tokenised some thousands at a time, which shows nowhere."""
    texts = [f"text {number}" for number in range(10_000)]
    chunks = pa.chunked_array([texts[:1], texts[1:9_999], texts[9_999:]])

    assert tokenizer.encode(chunks).to_lists() == [byte_ids(text) for text in texts]


def test_a_marker_in_a_text_stays_text(tokenizer: Tokenizer):
    """A prompt that says `</s>` does not end there."""
    assert tokenizer.encode(pa.chunked_array([["a</s>b"]])).to_lists() == [byte_ids("a</s>b")]


def test_vocabulary_and_marks_come_from_the_file(tokenizer: Tokenizer):
    """The vocabulary counts added tokens; the end is found by its usual name."""
    assert tokenizer.vocabulary == 3 + 256
    assert tokenizer.end(wanted_by="--set eos=TOKEN") == END
    assert tokenizer.token("<s>", wanted_by="--set bos=<s>") == 2
    assert tokenizer.padding == 0


@pytest.mark.parametrize(
    ("special", "what"),
    [
        (("<pad>", "<stop>"), "found none of the usual names.*<pad>, <stop>.*--set eos=TOKEN"),
        (("</s>", "<eos>"), "found several \\(</s>, <eos>\\)"),
    ],
)
def test_an_end_that_cannot_be_told_is_asked_for(
    tmp_path: Path, special: tuple[str, ...], what: str
):
    """No usual name, or more than one, is an error that says which tokens there are."""
    path = write_byte_tokenizer(tmp_path / "tokenizer.json", special=special)

    with pytest.raises(UsageError, match=what):
        load_tokenizer(str(path)).end(wanted_by="--set eos=TOKEN")


def test_an_unknown_token_is_an_error(tokenizer: Tokenizer):
    """The message says what was asked for and which special tokens there are."""
    with pytest.raises(UsageError, match=r"--set eos=<end>: .*no token '<end>'.*<pad>, </s>, <s>"):
        tokenizer.token("<end>", wanted_by="--set eos=<end>")


def test_another_file_is_an_error(tmp_path: Path):
    """A file that is no tokenizer, or is missing, is named; the package's words are kept."""
    path = tmp_path / "config.json"
    path.write_text("{}", encoding="utf-8")

    with pytest.raises(UsageError, match=r"config\.json: found no tokenizer: .*Model missing"):
        load_tokenizer(str(path))
    with pytest.raises(UsageError, match="cannot be read"):
        load_tokenizer(str(tmp_path / "none.json"))


def test_lists_and_rows_become_columns():
    """Token lists of any length, and the rows of a matrix, are Arrow lists of int32."""
    assert as_lists(token_lists([[1, 2], [], [3]])).to_pylist() == [[1, 2], [], [3]]
    assert as_rows([[1, 2], [3, 4]]).to_pylist() == [[1, 2], [3, 4]]
