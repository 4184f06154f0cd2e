"""Findings: all at once, worst first, each with its place and the way out."""

from __future__ import annotations

import json

from mixture_builder.findings import Finding, Report, Severity, did_you_mean, error


def finding(severity: Severity, place: str, *, file: str = "a.yaml", line: int = 0) -> Finding:
    return Finding(severity=severity, file=file, place=place, message="found it.", line=line)


def test_a_report_shows_files_in_order_and_the_worst_first():
    """A block for each file, errors above warnings above notes, then by line and place."""
    report = Report(
        findings=(
            finding(Severity.NOTE, "z", file="b.yaml"),
            finding(Severity.WARNING, "w"),
            error("a.yaml", "late", "found 3; expected 2.", "Write 2.", line=12),
            error("a.yaml", "early", "found nothing.", line=7),
            error("b.yaml", "", "cannot be read.", "Check the path."),
        )
    )

    assert report.format().splitlines() == [
        "a.yaml: 2 errors, 1 warning",
        "  error    line 7: early  found nothing.",
        "  error    line 12: late  found 3; expected 2. Write 2.",
        "  warning  w              found it.",
        "b.yaml: 1 error, 1 note",
        "  error    -  cannot be read. Check the path.",
        "  note     z  found it.",
    ]


def test_only_errors_make_a_check_fail():
    """`errors` holds the errors, and neither warnings nor notes."""
    bad = error("a.yaml", "x", "wrong.")
    report = Report(findings=(finding(Severity.WARNING, "w"), bad, finding(Severity.NOTE, "n")))

    assert report.errors == (bad,)
    assert Report(findings=()).format() == ""


def test_a_finding_is_plain_data_for_programs():
    """`to_json` holds every attribute and nothing JSON cannot say."""
    plain = error("a.yaml", "x", "wrong.", "Do it.", line=3).to_json()

    assert json.loads(json.dumps(plain)) == {
        "severity": "error",
        "file": "a.yaml",
        "place": "x",
        "message": "wrong.",
        "remedy": "Do it.",
        "line": 3,
        "lint": "",
    }


def test_the_nearest_spelling_is_offered_and_nothing_far_fetched():
    """A slip of the pen finds its word, another word finds none."""
    known = ["question", "passage", "options"]

    assert did_you_mean("optoins", known) == "Did you mean 'options'?"
    assert did_you_mean("zebra", known) == ""
    assert did_you_mean("x", []) == ""
