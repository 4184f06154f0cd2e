"""The checks of an audit: what each finds, how it decides, how bad it is, and the way out.

The page `docs/reference/audit.md` is made from this list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from mixture_builder.audit.hits import Evidence, Hits
from mixture_builder.findings import Severity
from mixture_builder.render.exemplars import LEAK_LENGTH

ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One thing that is looked for.

    Attributes:
      id: `<group>/<name>`.
      severity: of its findings.
      finds: what a finding means, a sentence.
      decides: when it is one: a rule, or a threshold with its statistics.
      remedy: what to do about it, an imperative sentence.
    """

    id: str
    severity: Severity
    finds: str
    decides: str
    remedy: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditFinding:
    """What a check has to say of a task, or of the mixture.

    Attributes:
      check: its id.
      message: what was found, and what was expected.
      count: records, templates or tasks that it is about.
      task: id; empty if it is about more than one.
      asked, found: numbers or names to be compared, where there are any.
      evidence: records.
      severity: where it is not the check's.
    """

    check: str
    message: str
    count: int
    task: str = ""
    asked: Any = None
    found: Any = None
    evidence: Sequence[Evidence] = field(default_factory=tuple)
    severity: Severity | None = None

    @property
    def level(self) -> Severity:
        """How bad it is."""
        return self.severity or CHECKS[self.check].severity

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "check": self.check,
            "severity": self.level.value,
            "task": self.task or None,
            "message": self.message,
            "count": self.count,
            "asked": self.asked,
            "found": self.found,
            "remedy": CHECKS[self.check].remedy,
            "evidence": [entry.to_json() for entry in self.evidence],
        }


def from_hits(hits: Hits, check: str, message: str) -> list[AuditFinding]:
    """A finding for each task in which a check found records.

    Args:
      hits: of all shards.
      check: its id.
      message: with `{count}` where their number stands.
    """
    return [
        AuditFinding(
            check=check,
            task=task,
            count=count,
            message=message.format(count=f"{count:,} record" + ("" if count == 1 else "s")),
            evidence=hits.kept[check, task],
        )
        for task, count in hits.of(check).items()
    ]


_REBUILD = "Run `verify`; build the mixture again if its files were changed."

_ALL = (
    Check(
        id="coverage/task_count",
        severity=ERROR,
        finds="A task has more or fewer examples than the plan gives it.",
        decides="Its records are counted; the plan asks for its quota, less the dropped draws that "
        "the manifest counts.",
        remedy=_REBUILD,
    ),
    Check(
        id="coverage/unplanned_task",
        severity=ERROR,
        finds="There are examples of a task that the plan does not name.",
        decides="Any record is a finding.",
        remedy=_REBUILD,
    ),
    Check(
        id="coverage/variant_count",
        severity=ERROR,
        finds="A task has more or fewer examples of a variant than the plan gives it.",
        decides="As for the task; where draws were dropped, so many fewer are allowed.",
        remedy=_REBUILD,
    ),
    Check(
        id="coverage/draws",
        severity=ERROR,
        finds="Draws of a task are missing, come twice, or are none of the plan's.",
        decides="The number of draws and a sum of hashes of them are compared with those of the "
        "plan; draws that come twice in a shard are shown. Where draws were dropped, only double "
        "ones are found.",
        remedy=_REBUILD,
    ),
    Check(
        id="coverage/unplanned_template",
        severity=ERROR,
        finds="A template is used in a variant that it does not serve, or is none of the task's.",
        decides="Any record is a finding.",
        remedy=_REBUILD,
    ),
    Check(
        id="coverage/template_count",
        severity=ERROR,
        finds="A template is used more or less often than the others of its variant.",
        decides="Templates are gone through in turn, so counts in a cell differ by at most one: "
        "between the quota over the number of templates rounded down, less dropped draws, and the "
        "same rounded up. Left aside where a template needs an optional field.",
        remedy=_REBUILD,
    ),
    Check(
        id="coverage/unused_template",
        severity=WARNING,
        finds="A template that should be used is not.",
        decides="The plan has room for it, it needs no optional field, and no record has it.",
        remedy=_REBUILD,
    ),
    Check(
        id="coverage/unmet_field",
        severity=NOTE,
        finds="Templates are not used, and need a field that may be empty.",
        decides="No record has them, and they name a field in `requires`.",
        remedy="See in the row store whether the field is empty in all rows of the task.",
    ),
    Check(
        id="coverage/no_room",
        severity=NOTE,
        finds="Templates are not used because their tasks get fewer examples than templates.",
        decides="No record has them, and no cell that they serve has as many examples as "
        "templates.",
        remedy="Ask for more examples if every template should be seen.",
    ),
    Check(
        id="coverage/shots_of_variant",
        severity=ERROR,
        finds="A zero-shot record shows exemplars, a few-shot one shows none, or the number of "
        "exemplars is not that of their rows.",
        decides="Any record is a finding.",
        remedy=_REBUILD,
    ),
    Check(
        id="coverage/unplanned_shots",
        severity=ERROR,
        finds="Prompts show more exemplars than the recipe asks for.",
        decides="Any record is a finding.",
        remedy=_REBUILD,
    ),
    Check(
        id="coverage/shots",
        severity=WARNING,
        finds="Numbers of exemplars in a part of the mixture are not those the recipe asks for.",
        decides="Chi-square against the recipe's rates over all tasks of the part: p below 0.001 "
        "after Holm's correction for all parts, and Cohen's w of 0.1 or more.",
        remedy="Raise limits.input_chars if prompts are too long for their exemplars; tasks of a "
        "few rows cannot show many.",
    ),
    Check(
        id="content/not_as_rendered",
        severity=ERROR,
        finds="A record is not what its row gives: text, template, style or rows are others.",
        decides="Rendered anew from its draw, a digest of its columns is another. Of a built "
        "mixture whose rows the store holds: all records.",
        remedy=_REBUILD,
    ),
    Check(
        id="template/words",
        severity=ERROR,
        finds="A prompt has not the words of its template: it is cut, or of another template.",
        decides="The words that stand outside of all values are looked for in their order, the "
        "first at the beginning and the last at the end. Of a few-shot prompt the query is looked "
        "at.",
        remedy=_REBUILD,
    ),
    Check(
        id="template/gap",
        severity=ERROR,
        finds="A field is lost: nothing stands where the template prints it.",
        decides="There is no way to lay the template's words on the prompt with something in each "
        "place where a field is printed as it is.",
        remedy=_REBUILD,
    ),
    Check(
        id="template/words_of_target",
        severity=ERROR,
        finds="A target has not the words of its template.",
        decides="As for prompts.",
        remedy=_REBUILD,
    ),
    Check(
        id="template/gap_of_target",
        severity=ERROR,
        finds="A field is lost from a target.",
        decides="As for prompts.",
        remedy=_REBUILD,
    ),
    Check(
        id="shots/style",
        severity=ERROR,
        finds="A few-shot record does not say how its exemplars are laid out.",
        decides="Its style names no labels and separator of the pools.",
        remedy=_REBUILD,
    ),
    Check(
        id="shots/separator",
        severity=ERROR,
        finds="Exemplars run into one another: a separator or a label is missing.",
        decides="The separator with the label that follows it is counted; there must be as many as "
        "exemplars.",
        remedy=_REBUILD,
    ),
    Check(
        id="shots/query_label",
        severity=ERROR,
        finds="A few-shot prompt is cut: it does not end where its target begins.",
        decides="It must end with the label of the target, as its style has it.",
        remedy=_REBUILD,
    ),
    Check(
        id="shots/query_row",
        severity=ERROR,
        finds="The row that is asked about is one of the exemplars.",
        decides="`row` stands in `exemplar_rows`.",
        remedy=_REBUILD,
    ),
    Check(
        id="shots/exemplar_twice",
        severity=ERROR,
        finds="A prompt shows an exemplar twice.",
        decides="`exemplar_rows` has a row twice.",
        remedy=_REBUILD,
    ),
    Check(
        id="shots/query_shown",
        severity=ERROR,
        finds="A prompt shows its query as an exemplar, with the answer.",
        decides="Of direct templates: the text of an exemplar, up to the label of its target, is "
        "that of the query. Inverted prompts name a label or so, and are alike by nature.",
        remedy="Look for rows that differ only in fields which the template does not show.",
    ),
    Check(
        id="shots/query_nearly_shown",
        severity=WARNING,
        finds="A prompt shows its query as an exemplar, but for case, spacing and punctuation.",
        decides="Of direct templates: without these, an exemplar is the query, of at least 24 "
        "letters and digits (case and punctuation of ASCII; others are compared as they are).",
        remedy="Look for near copies in the source.",
    ),
    Check(
        id="shots/answer_shown",
        severity=ERROR,
        finds="The exemplars show the target of the query.",
        decides=f"A target of {LEAK_LENGTH} characters or more stands before the query, in a task "
        "without options; shorter ones, and labels, recur by nature.",
        remedy="Look for copies in the source.",
    ),
    Check(
        id="options/no_list",
        severity=ERROR,
        finds="Options should be listed and are not; a label as target stands for nothing.",
        decides="The lead-in and the first mark of the style that is named are looked for in the "
        "query; a variant with options must name a style.",
        remedy=_REBUILD,
    ),
    Check(
        id="options/unwanted_list",
        severity=ERROR,
        finds="A record of a variant without options names a style of them.",
        decides="Any record is a finding.",
        remedy=_REBUILD,
    ),
    Check(
        id="options/no_label",
        severity=ERROR,
        finds="The options have labels, and the target is none.",
        decides="Of a target that is the answer alone.",
        remedy=_REBUILD,
    ),
    Check(
        id="options/label_beyond_list",
        severity=ERROR,
        finds="The target is the label of an option that the prompt does not list.",
        decides="Marks of options are counted in the query, in their order.",
        remedy=_REBUILD,
    ),
    Check(
        id="options/target_not_listed",
        severity=ERROR,
        finds="The options have no labels, and the target is none of them.",
        decides="Of a target that is the answer alone.",
        remedy=_REBUILD,
    ),
    Check(
        id="options/positions",
        severity=ERROR,
        finds="The right option stands at some places more often than at others, so that a model "
        "can learn to guess.",
        decides="Only where the recipe shuffles and the card lets it: chi-square of the places "
        "that labels name, against all places of a list alike; p below 0.001 after Holm's "
        "correction for all tasks, and Cohen's w of 0.1 or more.",
        remedy="Look at the places in the figures of the task; build the mixture again.",
    ),
    Check(
        id="labels/balance",
        severity=WARNING,
        finds="The answers of a task come in other shares than its rows have them.",
        decides="Where the rows of the store have at most 20 different answers, of targets that "
        "are the answer alone (a letter counts as the option it stands for): chi-square against "
        "the answers of all rows that can be asked about, after taking off as many records as "
        "were drawn again; p below 0.001 after Holm's correction for all tasks, and Cohen's w of "
        "0.1 or more.",
        remedy=_REBUILD,
    ),
    Check(
        id="labels/unknown",
        severity=ERROR,
        finds="A target is none of the answers that the rows of its task have.",
        decides="Of the same targets: any record.",
        remedy=_REBUILD,
    ),
    Check(
        id="text/target_in_prompt",
        severity=WARNING,
        finds="Prompts hold their own target, word for word.",
        decides="Of direct templates of tasks without options and rationales, of kinds other than "
        f"extractive questions, multiple choice and classification, targets of {LEAK_LENGTH} "
        "characters or more: at least 5 and 3 in 10 of a template's stand in the query, and at "
        "most a tenth of those of the task's other templates. Where they do with all templates the "
        "task itself asks for copying; the figures of the task count it.",
        remedy="See whether the template shows a field that holds the answer.",
    ),
    Check(
        id="text/empty_input",
        severity=ERROR,
        finds="A prompt is empty, or white space only.",
        decides="No character of it can be seen.",
        remedy=_REBUILD,
    ),
    Check(
        id="text/empty_target",
        severity=ERROR,
        finds="A target is empty, or white space only.",
        decides="No character of it can be seen.",
        remedy=_REBUILD,
    ),
    Check(
        id="text/control_character",
        severity=WARNING,
        finds="A text holds control characters.",
        decides="ASCII's, but for tab, line feed and carriage return. In fewer than ten "
        "records of a task, or one in a hundred, it is a note.",
        remedy="Remove them in the card's fields, or filter such rows with `keep`.",
    ),
    Check(
        id="text/damaged_character",
        severity=WARNING,
        finds="A text holds what is left of a wrong encoding.",
        decides="C1 control characters, the replacement character, a byte order mark, and pairs of "
        "characters that UTF-8 gives when it is read as Windows-1252, such as those of an "
        "apostrophe. In fewer than ten records of a task, or one in a hundred, it is a note.",
        remedy="See whether the card names the right encoding; the source itself may be damaged.",
    ),
    Check(
        id="text/unrendered",
        severity=ERROR,
        finds="A text holds Jinja that was not rendered.",
        decides="A print of a name that the task's templates use, or a statement.",
        remedy="Mend the template; `templates check` shows where.",
    ),
    Check(
        id="text/program_value",
        severity=WARNING,
        finds="A target is how a program writes a missing value: None, nan, null, [] and the like.",
        decides="It is nothing else, and the prompt does not name it.",
        remedy="Let the card's field give nothing for missing values: the row goes to quarantine.",
    ),
    Check(
        id="text/cut_target",
        severity=WARNING,
        finds="A target ends in the middle of a sentence.",
        decides="In a task with 50 or more targets of 40 characters or more, of which at least 98 "
        "in a hundred end with a mark, those that do not.",
        remedy="See whether the source is cut there.",
    ),
    Check(
        id="text/cut_at_size",
        severity=WARNING,
        finds="Targets are cut at a size.",
        decides="Five or more different ones, and 2 for a hundred examples, have exactly as many "
        "characters as the longest: 200 or more.",
        remedy="See whether the source is cut there.",
    ),
    Check(
        id="lengths/outlier",
        severity=NOTE,
        finds="A text is far longer or shorter than those of its task.",
        decides="In a task of 50 or more records: more than 10 robust standard deviations (1.4826 "
        "times the median distance from the median, in logarithms) and 20 times from the median; "
        "zero-shot and few-shot, direct and inverted templates apart. Targets of tasks with "
        "options or rationales are left aside.",
        remedy="Look at the record; `limits` of the recipe bound texts.",
    ),
    Check(
        id="language/foreign_script",
        severity=WARNING,
        finds="Texts are in a script of none of the languages that the card names.",
        decides="5 in a hundred records of a task have a text of which 20 letters or more, and 3 "
        "in 10, are of such a script. Latin and Greek are never foreign; languages of one script "
        "are not told apart.",
        remedy="Mend `languages` of the card, or filter such rows with `keep`.",
    ),
    Check(
        id="language/no_script",
        severity=WARNING,
        finds="A language that the card names cannot be in the texts.",
        decides="In a task of 20 or more records, fewer than 1 in a hundred letters are of a "
        "script of that language.",
        remedy="Mend `languages` of the card, or its fields.",
    ),
    Check(
        id="styles/unknown",
        severity=ERROR,
        finds="A record names a style that its task does not draw from.",
        decides="Any id in the column `style` that is not in the pools of the part of the recipe, "
        "as its pins leave them.",
        remedy=_REBUILD,
    ),
    Check(
        id="styles/uneven",
        severity=WARNING,
        finds="Some styles of a pool come more often than chance has it.",
        decides="Chi-square of lead-ins, endings, labels, separators and speakers in each part of "
        "the recipe, p below 0.001 after Holm's correction for all of them, and Cohen's w of 0.1 "
        "or more. Labels that a text begins with give way to others, which shifts a little. Marks "
        "of options are only counted: they give way where the options are such marks themselves.",
        remedy="Look at the counts in the figures; build the mixture again.",
    ),
    Check(
        id="text/different_targets",
        severity=WARNING,
        finds="A prompt comes with different targets, though only one can be right.",
        decides="Of direct templates of tasks with options, of classification and of multiple "
        "choice: equal texts of prompts are compared within a task; of more than half a million "
        "records a sample of prompts. From one prompt in a hundred examples on it is a warning, "
        "else a note.",
        remedy="Look for rows of the source that contradict each other.",
    ),
    Check(
        id="held_out/item",
        severity=ERROR,
        finds="A record holds an item of a held-out set: in its prompt, exemplars or target.",
        decides="With `--held-out`: 13 words of the item in a row, or the whole of a shorter one; "
        "the evidence names item, rule and characters. Near copies of items are told apart.",
        remedy="Run `contamination` with the recipe, and leave the rows out that it lists.",
    ),
    Check(
        id="held_out/near_copy",
        severity=WARNING,
        finds="A record holds what is nearly an item of a held-out set.",
        decides="With `--held-out`: half of the item's runs of three words; or its question with "
        "one word in five changed and no number, and all its options.",
        remedy="Look at the records; `contamination` lists their rows.",
    ),
    Check(
        id="duplicates/rows",
        severity=WARNING,
        finds="Rows say what others say.",
        decides="With `--duplicates`: input and target are equal but for case and spacing, in one "
        "task or across tasks; tasks that read the same files share rows by design.",
        remedy="Run `dedupe` with the recipe, and leave the rows out that it lists.",
    ),
    Check(
        id="duplicates/near",
        severity=NOTE,
        finds="Rows nearly say what others say.",
        decides="With `--duplicates`: targets and numbers are equal, and each field of the input "
        "agrees with one of the other row by 0.8 or more (Jaccard similarity of runs of two "
        "words).",
        remedy="Look at the clusters of `dedupe`: pairs may be made to differ in one word.",
    ),
    Check(
        id="duplicates/other_target",
        severity=NOTE,
        finds="Rows ask what others ask, and have another target.",
        decides="With `--duplicates`: inputs are equal, targets are not.",
        remedy="Look at them: nobody else can say which is wrong.",
    ),
    Check(
        id="licences/unknown",
        severity=NOTE,
        finds="No licence is known of the data of a task.",
        decides="The card says `unknown`.",
        remedy="Find out before you publish; or leave such tasks out with `filters`.",
    ),
    Check(
        id="licences/custom",
        severity=NOTE,
        finds="The data of a task are under terms of their own.",
        decides="The card says `custom`.",
        remedy="Read the terms where the card says.",
    ),
    Check(
        id="licences/no_card",
        severity=WARNING,
        finds="Licences, kinds and languages of tasks are not known, and what rests on them is not "
        "checked.",
        decides="The manifest keeps nothing of their cards: an earlier version has built it.",
        remedy="Build the mixture again; the same seed gives the same records.",
    ),
    Check(
        id="licences/no_citation",
        severity=NOTE,
        finds="Tasks have nothing to cite.",
        decides="`citation` of the card is null. The document lists them.",
        remedy="Name the source itself when you publish.",
    ),
)

CHECKS: Mapping[str, Check] = MappingProxyType({check.id: check for check in _ALL})
"""All checks by id, in the order in which the reference lists them."""
