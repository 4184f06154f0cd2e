"""Rules of the mirror: which address is read from where."""

from __future__ import annotations

import pickle

import pytest

from mixture_builder.errors import InvalidFilesError, SourceError
from mixture_builder.io.mirror import Mirror
from mixture_builder.io.readers import source_files
from mixture_builder.sources import Source


def write(tmp_path, text):
    """A mirror file with this text."""
    file = tmp_path / "mirror.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_longest_matching_key_wins(tmp_path):
    """A whole address beats a prefix, and a longer prefix beats a shorter one."""
    (tmp_path / "all" / "b").mkdir(parents=True)
    (tmp_path / "some").mkdir()
    (tmp_path / "one.jsonl").write_text("{}", encoding="utf-8")
    mirror = Mirror.load(
        write(
            tmp_path,
            "sources:\n"
            "  https://example.org/: all/\n"
            "  https://example.org/b/: some\n"
            "  https://example.org/b/c.jsonl: one.jsonl\n",
        )
    )

    assert mirror.resolve("https://example.org/b/c.jsonl") == f"{tmp_path}/one.jsonl"
    assert mirror.resolve("https://example.org/b/d/e.jsonl") == f"{tmp_path}/some/d/e.jsonl"
    assert mirror.resolve("https://example.org/a.jsonl") == f"{tmp_path}/all/a.jsonl"
    assert mirror.resolve("https://example.com/a.jsonl") is None


def test_an_address_may_stand_for_another_address(tmp_path):
    """Values may be URLs; a prefix then maps to a prefix."""
    mirror = Mirror.load(
        write(tmp_path, "sources:\n  https://example.org/a/: gs://bucket/copies/\n")
    )

    assert mirror.resolve("https://example.org/a/x.csv") == "gs://bucket/copies/x.csv"


def test_what_follows_a_prefix_cannot_leave_its_folder(tmp_path):
    """'..' after a mirrored prefix is refused: the address comes from a card, not the user."""
    mirror = Mirror(sources={"https://example.org/": f"{tmp_path}/"})

    with pytest.raises(SourceError, match=r"found '\.\.' after the mirrored prefix"):
        mirror.resolve("https://example.org/a/../../etc/passwd")
    assert mirror.resolve("https://example.org//etc/passwd") == f"{tmp_path}//etc/passwd"


@pytest.mark.parametrize("copies", ["kept", "kept/*.txt"])
def test_a_glob_in_a_card_finds_copies_in_a_folder(tmp_path, copies):
    """A key may hold the card's `*`; members of an archive keep the names they have in it."""
    (tmp_path / "kept").mkdir()
    for name in ("a.txt", "b.txt", "c.json"):
        (tmp_path / "kept" / name).write_text(name, encoding="utf-8")
    address = "tar://train/*.txt::https://example.org/a.tgz"
    mirror = Mirror.load(write(tmp_path, f'sources: {{"{address}": "{copies}"}}\n'), offline=True)

    found = source_files(Source(files=(address,), format="document"), base="", mirror=mirror)

    assert [file.name for file in found] == [
        "tar://train/a.txt::https://example.org/a.tgz",
        "tar://train/b.txt::https://example.org/a.tgz",
    ]
    assert [file.location for file in found] == [f"{tmp_path}/kept/{n}.txt" for n in "ab"]
    assert not any(file.inside for file in found)


def test_a_pattern_of_copies_that_fits_none_is_an_error_of_the_source(tmp_path):
    """The address and where it was looked for are both named."""
    address = "zip://*.csv::https://example.org/a.zip"
    mirror = Mirror.load(write(tmp_path, f'sources: {{"{address}": "kept/*.csv"}}\n'))

    with pytest.raises(SourceError, match=r"looked for at .*kept/\*\.csv\): found no file"):
        source_files(Source(files=(address,), format="csv"), base="", mirror=mirror)


def test_all_mistakes_of_a_mirror_file_are_reported_at_once(tmp_path):
    """Unknown keys, names that are no URLs, missing paths and unequal prefixes all appear."""
    (tmp_path / "file.txt").write_text("x", encoding="utf-8")
    file = write(
        tmp_path,
        "sources:\n"
        "  data/train.jsonl: file.txt\n"
        "  https://example.org/a: nowhere.txt\n"
        "  https://example.org/b/: file.txt\n"
        "  https://example.org/c/: https://example.com/c\n"
        "  https://example.org/d: 3\n"
        f"  https://example.org/e: {'e' * 300}\n",
    )

    with pytest.raises(InvalidFilesError) as caught:
        Mirror.load(file)

    assert [(f.place, f.message, f.remedy) for f in caught.value.findings] == [
        (
            "sources.data/train.jsonl",
            "found 'data/train.jsonl'; expected a URL, or a prefix of URLs that ends in '/'.",
            "Write the address as the card does, with its scheme (https://, hf://, ...).",
        ),
        (
            "sources.https://example.org/a",
            f"there is no '{tmp_path}/nowhere.txt'.",
            "Correct the path, or remove the line.",
        ),
        (
            "sources.https://example.org/b/",
            f"a prefix is mapped to the file '{tmp_path}/file.txt'; expected a folder.",
            "Name the folder, or write the whole URL as the key.",
        ),
        (
            "sources.https://example.org/c/",
            "a prefix is mapped to 'https://example.com/c', which is none.",
            "End it in '/'.",
        ),
        (
            "sources.https://example.org/d",
            "found no text; expected a local path or another URL.",
            "Quote the path.",
        ),
        (
            "sources.https://example.org/e",
            f"'{tmp_path}/{'e' * 300}' cannot be looked up (File name too long).",
            "Correct the path, or grant access to it.",
        ),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "found no mapping; expected the key 'sources'."),
        ("source: {}", "found the unknown key 'source'; expected 'sources' only."),
        ("sources: [a]", "found no mapping; expected URLs and where they are read from."),
        ("{}", "the key 'sources' is missing."),
    ],
)
def test_a_mirror_file_has_the_key_sources(tmp_path, text, message):
    """Another shape is an error that shows the right one."""
    with pytest.raises(InvalidFilesError) as caught:
        Mirror.load(write(tmp_path, text))

    assert message in [f.message for f in caught.value.findings]


def test_a_missing_mirror_file_is_a_finding(tmp_path):
    """The path given by the user is named."""
    with pytest.raises(InvalidFilesError, match="cannot be read"):
        Mirror.load(tmp_path / "none.yaml")


def test_a_mirror_survives_pickling():
    """Workers receive it."""
    mirror = Mirror(sources={"https://example.org/": "/data/"})

    assert pickle.loads(pickle.dumps(mirror)) == mirror
    assert Mirror.empty().resolve("https://example.org/") is None
