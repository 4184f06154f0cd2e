"""Which columns of unknown records are which canonical fields: guesses, each with its ground.

Pure functions over plain values. Columns are told by what they hold and by what they are
called; a guess that gives no rows is dropped for a plainer one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mixture_builder.canonical import RowMaker, RowProblem
from mixture_builder.cards import (
    FIXED_TYPES,
    PLACEHOLDER,
    CardSource,
    Field,
    FieldType,
)
from mixture_builder.jobs.draft.columns import (
    Column,
    columns_of,
    field_name,
    literal,
    plain_name,
    reference,
)
from mixture_builder.sources import Source

FEW_LABELS = 20
"""Most labels of a classification."""

_ANSWER = "answer response output completion target reply solution final_answer answer_text".split()
_ANSWERS = "answers targets references outputs aliases gold_answers".split()
_LABEL = "label labels gold_label category class sentiment intent topic stance verdict".split()
_INDEX = [
    *"answer_index answer_idx correct_index label answerkey answer_key gold correct".split(),
    *"correct_answer correct_option answer target".split(),
]
_OPTIONS = "options choices candidates alternatives endings answer_choices".split()
_DIALOG = "messages conversation conversations turns dialog dialogue utterances".split()
_RATIONALE = "rationale explanation reasoning chain_of_thought cot thought".split()
_QUESTION = "question stem query ask prompt instruction problem".split()
_PASSAGE = "passage context paragraph article document story".split()
_SUMMARY = "summary highlights tldr abstract headline".split()
_SPOKEN = "content value text utterance".split()
_NO_TEXT = re.compile(r"(^|_)(id|ids|idx|uid|guid|url|uri|link|index|hash|date|timestamp)$")
_LANGUAGE = re.compile(r"[a-z]{2,3}([-_][A-Za-z]{2,4})?")
_SEPARATOR = "'\\x1f'"


@dataclass(frozen=True, kw_only=True, slots=True)
class Guess:
    """What the fields of a card may be.

    Attributes:
      fields: in the order in which they are written.
      grounds: why each field is what it is, by name.
      keep: condition on records; empty for none.
      kind: what kind of task it looks like.
      cot: whether there is a chain of thought.
      languages: where the records name them.
      used: columns that the fields read.
      rows: of the records looked at, how many give a row.
    """

    fields: tuple[Field, ...]
    grounds: Mapping[str, str]
    kind: str
    keep: str = ""
    cot: bool = False
    languages: tuple[str, ...] = ()
    used: frozenset[str] = frozenset()
    rows: int = 0


def guess_fields(
    records: Sequence[Mapping[str, Any]], *, labels: Mapping[str, tuple[str, ...]]
) -> Guess:
    """The best guess of which at least half of the records give rows; else the plainest.

    Args:
      records: in plain data; at least one.
      labels: names of labels that are stored as numbers, by column.
    """
    columns = columns_of(records)
    guesses = [
        replace(guess, rows=len(rows_of(records, guess)))
        for guess in (
            _Guesser(columns, labels, special=special).guess() for special in (True, False)
        )
    ]
    good = [guess for guess in guesses if guess.rows * 2 >= len(records)]
    return good[0] if good else max(guesses, key=lambda guess: guess.rows)


def rows_of(records: Iterable[Mapping[str, Any]], guess: Guess) -> list[Mapping[str, Any]]:
    """The records that give rows."""
    maker = RowMaker(CardSource(source=Source(), fields=guess.fields, keep=guess.keep))
    made = [(record, maker.row(dict(record))) for record in records]
    return [record for record, row in made if row is not None and not isinstance(row, RowProblem)]


class _Guesser:
    """Goes through the columns once, answer first; what is used is not used again."""

    def __init__(
        self,
        columns: Mapping[str, Column],
        labels: Mapping[str, tuple[str, ...]],
        *,
        special: bool,
    ) -> None:
        self._columns = columns
        self._labels = labels
        self._special = special
        self._fields: dict[str, Field] = {}
        self._grounds: dict[str, str] = {}
        self._used: set[str] = set()
        self._keep = ""
        self._kind = ""
        self._languages: tuple[str, ...] = ()

    def guess(self) -> Guess:
        ways = (self._options, self._translation, self._dialog, self._labels_of, self._lists)
        if self._special:
            # The first that fits; `any` asks no further.
            any(way() for way in ways)
        # The answer stands last in a card, as it does in an example.
        answer, self._fields = self._fields, {}
        if not answer:
            found = self._first(_ANSWER, lambda c: c.is_text or c.is_int)
            if found:
                answer = {"answer": self._field("answer", found.expression, found, "its name")}
        rationale = self._first(_RATIONALE, lambda c: c.is_text) if answer else None
        self._named()
        self._others(needed=not {"turns", "translation"} & answer.keys())
        if rationale:
            self._add("rationale", reference(rationale.name), rationale, "its name")
        self._fields.update(answer)
        return Guess(
            fields=tuple(self._fields.values()),
            grounds=self._grounds,
            kind=self._kind or self._kind_by_names(cot=rationale is not None),
            keep=self._keep,
            cot=rationale is not None,
            languages=self._languages,
            used=frozenset(
                c.parent or c.name for c in self._columns.values() if c.expression in self._used
            ),
        )

    def _first(self, names: Sequence[str], fits: Callable[[Column], bool]) -> Column | None:
        for name in names:
            for column in self._columns.values():
                if plain_name(column.name) == name and self._is_free(column) and fits(column):
                    self._used.add(column.expression)
                    return column
        return None

    def _is_free(self, column: Column) -> bool:
        known = {column.expression, reference(column.parent) if column.parent else ""}
        return not known & self._used and bool(column.values)

    def _field(
        self,
        name: str,
        expression: str,
        column: Column | None,
        ground: str,
        *,
        type_: FieldType | None = None,
        optional: bool = False,
    ) -> Field:
        self._grounds[name] = ground
        if column is not None:
            self._used.add(column.expression)
        kind = type_ or FIXED_TYPES.get(name, "string")
        return Field(name=name, expression=expression, type=kind, optional=optional)

    def _add(self, name: str, expression: str, column: Column | None, ground: str) -> None:
        self._fields[name] = self._field(name, expression, column, ground)

    # --- Closed answers ---

    def _options(self) -> bool:
        """Options that come with each record, and the place of the right one."""
        found = self._options_column() or self._options_incolumns_of()
        if found is None:
            return False
        options, keys, most = found
        self._used.update(keys)
        for name in _INDEX:
            for column in self._columns.values():
                if plain_name(column.name) != name or not self._is_free(column):
                    continue
                index = self._index(column, options, keys, most)
                if index:
                    self._add("options", options, None, "a list of answers to choose from")
                    self._add("answer_index", index[0], column, index[1])
                    self._kind = "multiple_choice"
                    return True
        self._used.difference_update(keys)
        return False

    def _options_column(self) -> tuple[str, dict[str, str], int] | None:
        """Expression of the options; used columns, each with that of its labels; most options."""
        for column in self._columns.values():
            if plain_name(column.name) not in _OPTIONS or not column.values:
                continue
            here = column.expression
            if column.is_list_of(str):
                return here, {column.expression: ""}, max(map(len, column.values))
            if column.all(dict) and all(
                isinstance(v.get("text"), list) and isinstance(v.get("label"), list)
                for v in column.values
            ):
                labels = f"({here}['label'] | join).index"
                most = max(len(v["text"]) for v in column.values)
                return f"{here}['text']", {column.expression: labels}, most
            if column.is_list_of(dict) and all("text" in i for v in column.values for i in v):
                labels = (
                    f"({here} | map(attribute='label') | join).index"
                    if all("label" in i for v in column.values for i in v)
                    else ""
                )
                options = f"{here} | map(attribute='text') | list"
                return options, {column.expression: labels}, max(map(len, column.values))
        return None

    def _options_incolumns_of(self) -> tuple[str, dict[str, str], int] | None:
        families: dict[str, list[str]] = {}
        for column in self._columns.values():
            found = re.fullmatch(
                r"(option|choice|ending|answer|sol|op|)_?([a-h]|[0-9])", plain_name(column.name)
            )
            if found and column.is_text and column.values:
                families.setdefault(found[1], []).append(column.expression)
        for names in families.values():
            if len(names) > 1:
                return f"[{', '.join(names)}]", dict.fromkeys(names, ""), len(names)
        return None

    def _index(
        self, column: Column, options: str, keys: Mapping[str, str], most: int
    ) -> tuple[str, str] | None:
        here = column.expression
        texts = {str(value).strip() for value in column.values}
        if all(re.fullmatch(r"\d", text) for text in texts):
            number = f"{here} | int"
            if "0" not in texts and str(most) in texts:
                return f"({number}) - 1", "numbers from 1"
            return number, "numbers from 0"
        labels = next(iter(keys.values()))
        if labels and all(len(text) == 1 for text in texts):
            return f"{labels}({here})", "labels of the options"
        if column.is_text and all(re.fullmatch(r"[A-H]", text) for text in texts):
            return f"'ABCDEFGH'.index({here} | trim)", "letters"
        if column.is_text and all(re.fullmatch(r"[a-h]", text) for text in texts):
            return f"'abcdefgh'.index({here} | trim)", "letters"
        if column.is_text:
            joined = f"{_SEPARATOR} ~ (({options}) | join({_SEPARATOR})) ~ {_SEPARATOR}"
            wanted = f"{_SEPARATOR} ~ {here} ~ {_SEPARATOR}"
            place = f"({joined}).partition({wanted})[0].count({_SEPARATOR})"
            return place, "one of the options, word for word"
        return None

    def _labels_of(self) -> bool:
        """The same few labels for all records."""
        for column in self._columns.values():
            names = () if column.parent else self._labels.get(column.name, ())
            if names and len(names) > 1 and column.is_int:
                if any(value < 0 for value in column.values):
                    self._keep = f"{column.expression} >= 0"
                return self._classes(names, column.expression, column, "named by the source")
        found = self._first(_LABEL, lambda c: c.is_text or c.is_int or c.all(bool))
        if found is None:
            return False
        here, values = found.expression, set(found.values)
        if found.all(bool):
            return self._classes(("no", "yes"), f"1 if {here} else 0", found, "true or false")
        if not 1 < len(values) <= min(FEW_LABELS, len(found.values) - 1):
            self._used.discard(found.expression)
            return False
        if found.is_int or all(re.fullmatch(r"\d{1,3}", value) for value in values):
            number = here if found.is_int else f"({here} | int)"
            low, high = min(map(int, values)), max(map(int, values))
            if low not in {0, 1} or high - low + 1 > FEW_LABELS:
                self._used.discard(found.expression)
                return False
            names = tuple(f"{PLACEHOLDER}: what {n} means" for n in range(low, high + 1))
            index = f"{number} - 1" if low else number.strip("()")
            return self._classes(names, index, found, f"numbers from {low} to {high}")
        names = tuple(sorted(values))
        if any(len(name) > 60 for name in names):
            self._used.discard(found.expression)
            return False
        places = ", ".join(f"{literal(name)}: {n}" for n, name in enumerate(names))
        ground = "the labels that were seen; add those that were not"
        return self._classes(names, f"{{{places}}}[{here}]", found, ground)

    def _classes(self, names: Sequence[str], index: str, column: Column, ground: str) -> bool:
        self._add("options", f"[{', '.join(map(literal, names))}]", None, ground)
        self._add("answer_index", index, column, ground)
        self._kind = "classification"
        return True

    # --- Open answers ---

    def _lists(self) -> bool:
        """Several right answers."""
        found = self._first(
            [*_ANSWERS, *_ANSWER],
            lambda c: (
                c.is_list_of(str)
                or (c.all(dict) and all(isinstance(v.get("text"), list) for v in c.values))
                or (c.is_list_of(dict) and all("text" in i for v in c.values for i in v))
            ),
        )
        if found is None:
            return False
        here = found.expression
        if found.all(dict):
            expression = f"{here}['text']"
        elif found.is_list_of(str):
            expression = here
        else:
            expression = f"{here} | map(attribute='text') | list"
        self._add("answers", expression, found, "its name")
        if found.missing or any(
            isinstance(value, dict) and not value["text"] for value in found.values
        ):
            self._keep = expression
        return True

    def _translation(self) -> bool:
        for column in self._columns.values():
            if not column.values or not column.all(dict):
                continue
            codes = list(column.values[0])
            fits = len(codes) == 2 and all(map(_LANGUAGE.fullmatch, codes))
            if fits and all(
                list(v) == codes and all(map(_is_str, v.values())) for v in column.values
            ):
                here = column.expression
                for name, code in zip(("source_text", "translation"), codes, strict=True):
                    self._add(name, f"{here}[{literal(code)}]", column, f"the text in '{code}'")
                self._kind = "translation"
                self._languages = tuple(code.replace("_", "-") for code in codes)
                return True
        return False

    def _dialog(self) -> bool:
        found = self._first(
            _DIALOG, lambda c: c.all(list) and all(len(value) > 1 for value in c.values)
        )
        if found is None:
            return False
        here = found.expression
        if found.is_list_of(str):
            said = here
        else:
            keys = [
                key
                for key in _SPOKEN
                if found.is_list_of(dict)
                and all(isinstance(i.get(key), str) for v in found.values for i in v)
            ]
            if not keys:
                self._used.discard(found.expression)
                return False
            kept = here
            if any(i.get("role") == "system" for v in found.values for i in v):
                kept = f"{here} | rejectattr('role', 'equalto', 'system')"
            said = f"({kept} | map(attribute='{keys[0]}') | list)"
        self._add("turns", f"{said}[:-1]", found, "all utterances but the last")
        self._add("response", f"{said}[-1]", found, "the last utterance")
        self._kind = "dialog"
        return True

    # --- The rest ---

    def _named(self) -> None:
        for name, synonyms in (("passage", _PASSAGE), ("question", _QUESTION)):
            found = self._first(synonyms, lambda c: c.is_text)
            if found:
                self._add(name, found.expression, found, "its name")

    def _others(self, *, needed: bool) -> None:
        for column in self._columns.values():
            if not self._is_free(column) or not column.is_text:
                continue
            if _NO_TEXT.search(plain_name(column.name)):
                continue
            name = field_name(column.name, taken=self._fields)
            self._fields[name] = self._field(
                name, column.expression, column, "a text", optional=column.missing
            )
        if needed and not self._fields:
            # Something has to be shown: a column of any plain value will do.
            for column in self._columns.values():
                if self._is_free(column) and column.all((str, int, float)):
                    name = field_name(column.name)
                    self._add(name, column.expression, column, "the only plain value")
                    return
            expression = literal(f"{PLACEHOLDER}: an expression over the columns below")
            self._add("text", expression, None, "nothing here is a plain text")

    def _kind_by_names(self, *, cot: bool) -> str:
        read = (c.name for c in self._columns.values() if c.expression in self._used)
        names = {*self._fields, *map(plain_name, read)}
        if cot:
            return "reasoning"
        if names & set(_SUMMARY):
            return "summarization"
        if "question" in names and names & {"passage", "text"}:
            return "extractive_qa"
        return "open_qa" if "question" in names else "generation"


def _is_str(value: Any) -> bool:
    return isinstance(value, str)
