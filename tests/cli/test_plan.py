"""`plan`: rates, quotas and passes, without touching a source."""

from __future__ import annotations

import json
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tests.cli.helpers import PLAIN, QUESTIONS, Workspace, run
from tests.export.helpers import write_byte_tokenizer


def test_rows_are_counted_in_the_store(store: Path) -> None:
    """For tasks in the store, a plan is that of the build, to the last example."""
    done = run("plan", "quickstart", "--store", store, "--json")

    plan = json.loads(done.stdout)
    assert done.exit_code == 0
    assert plan["estimated"] == 0
    assert plan["tasks"]["quickstart/summaries"]["rows"] == 60
    assert sum(task["quota"] for task in plan["tasks"].values()) == plan["examples"] == 6000
    assert sum(Fraction(task["share"]) for task in plan["tasks"].values()) == 1
    for task in plan["tasks"].values():
        assert sum(task["variants"].values()) == task["quota"]
        assert task["passes"] == round(task["quota"] / task["query_rows"], 3)


def test_the_plan_is_what_the_build_realises(store: Path, mixture: Path) -> None:
    """What `plan` promises stands in the manifest as asked for."""
    plan = json.loads(run("plan", "quickstart", "--store", store, "--json").stdout)
    manifest = json.loads((mixture / "manifest.json").read_text(encoding="utf-8"))

    for task, planned in plan["tasks"].items():
        assert manifest["tasks"][task]["quota"] == planned["quota"]
        variants = manifest["tasks"][task]["variants"]
        assert {name: v["quota"] for name, v in variants.items()} == planned["variants"]


def test_parts_hold_the_parts_in_them(store: Path) -> None:
    """A nested part counts for the part around it; the outermost parts make the whole."""
    parts = json.loads(run("plan", "quickstart", "--store", store, "--json").stdout)["submixtures"]

    inner = [facts for path, facts in parts.items() if path.startswith("text.")]
    assert sum(facts["quota"] for facts in inner) == parts["text"]["quota"] == 1500
    assert [parts[p]["share"] for p in ("closed", "reasoning", "text")] == ["5/12", "1/3", "1/4"]


def test_without_a_store_rows_are_estimates_and_marked(workspace: Workspace) -> None:
    """No source is touched: a plan works before any file is there, from what cards state."""
    workspace.task("sums", None)
    (workspace.cards / "tiny" / "data" / "sums.jsonl").unlink()

    done = run("plan", workspace.recipe, *workspace.options, "--tasks")
    plan = json.loads(run("plan", workspace.recipe, *workspace.options, "--json").stdout)

    assert done.exit_code == 0
    assert "~8" in done.stdout
    assert "the cards state" in done.stdout
    assert plan["tasks"]["tiny/sums"]["estimated"] is True
    assert not workspace.store.exists()


def test_tasks_whose_rows_repeat_are_pointed_out(workspace: Workspace) -> None:
    """20 examples of 8 rows are 2.5 passes, and the plan says so."""
    done = run("plan", workspace.recipe, *workspace.options, "--tasks")

    assert "2.50 !" in done.stdout
    assert "1 task with fewer rows than examples" in done.stdout


def test_a_task_of_unknown_size_is_left_out_and_named(workspace: Workspace) -> None:
    """Neither store nor card knows the rows: there is nothing to plan with."""
    workspace.task("vague", QUESTIONS, size={"rows": None, "from": "nobody says"})

    done = run("plan", workspace.recipe, *workspace.options)
    strict = run("plan", workspace.recipe, *workspace.options, "--strict")

    assert (done.exit_code, strict.exit_code) == (0, 1)
    assert "left out: tiny/vague" in done.stderr
    assert "Run ingest" in done.stderr


def test_seed_and_shards_can_be_set(workspace: Workspace) -> None:
    """Options of the command line win over the recipe."""
    done = run("plan", workspace.recipe, *workspace.options, "--seed", 9, "--shards", 3, "--json")

    plan = json.loads(done.stdout)
    assert (plan["seed"], plan["shards"]) == (9, 3)


def test_a_recipe_of_all_natural_instructions_can_be_planned(tmp_path: Path) -> None:
    """Sixteen hundred tasks are planned at once, and their quotas come to the size asked for."""
    plan = json.loads(run("plan", "real_files", "--store", tmp_path, "--json").stdout)

    assert plan["submixtures"]["niv2"]["tasks"] == 1554
    assert sum(task["quota"] for task in plan["tasks"].values()) == plan["examples"] == 200_000


def test_filtered_tasks_are_listed_with_the_reason_and_are_no_failure(workspace: Workspace) -> None:
    """What filters take out is named, its share goes to the rest of its part, and all is well."""
    workspace.task("shop", QUESTIONS, licence={"id": "CC-BY-NC-4.0", "read_at": "here"})
    workspace.task("secret", QUESTIONS, licence={"id": "unknown", "read_at": "nowhere"})
    workspace.write_recipe(filters={"licences": {"exclude": ["*-NC-*"]}})

    done = run("plan", workspace.recipe, *workspace.options, "--strict")
    plan = json.loads(run("plan", workspace.recipe, *workspace.options, "--json").stdout)

    assert done.exit_code == 0
    assert done.stderr == ""
    assert "Filtered: 2 tasks (2 licence)" in done.stdout
    assert "all: 2 filtered, 1 left" in done.stdout
    assert plan["filtered_tasks"] == 2
    assert plan["left_out"] == {
        "tiny/secret": "filtered: its licence is unknown",
        "tiny/shop": "filtered: its licence CC-BY-NC-4.0 is excluded",
    }
    assert plan["tasks"]["tiny/sums"]["share"] == "1"


def test_a_part_that_filters_empty_gives_its_share_away_and_the_plan_says_so(
    workspace: Workspace,
) -> None:
    """Where nothing is left of a part, the parts beside it take over."""
    workspace.task("deutsch", QUESTIONS, languages=["de"])
    workspace.write_recipe(
        submixtures={
            "one": {"rate": 9, "tasks": ["tiny/deutsch"]},
            "two": {"rate": 1, "tasks": ["tiny/sums"]},
        },
        filters={"languages": {"allow": ["en"]}},
    )

    done = run("plan", workspace.recipe, *workspace.options)

    assert done.exit_code == 0
    assert "one: 1 filtered, 0 left; the other parts take over its share" in done.stdout


def test_a_recipe_that_filters_everything_is_an_error(workspace: Workspace) -> None:
    """A mixture of nothing is refused, with the reasons."""
    workspace.write_recipe(filters={"cards": {"exclude": ["tiny/*"]}})

    done = run("plan", workspace.recipe, *workspace.options)

    assert done.exit_code == 1
    assert "none of its 1 tasks can be built" in done.stderr
    assert "its id is excluded" in done.stderr


def test_templates_of_another_origin_filter_their_tasks(workspace: Workspace) -> None:
    """`templates_from` is asked of the file that a card names."""
    workspace.task("theirs", QUESTIONS, templates="tiny/theirs")
    content = {"about": "Answer.", "origin": "imported", "templates": [PLAIN]}
    workspace.write(workspace.templates / "tiny" / "theirs.yaml", content)

    def tasks(origin: str) -> list[str]:
        workspace.write_recipe(templates_from=origin)
        done = run("plan", workspace.recipe, *workspace.options, "--json")
        assert done.exit_code == 0
        return list(json.loads(done.stdout)["tasks"])

    assert tasks("any") == ["tiny/sums", "tiny/theirs"]
    assert tasks("ours") == ["tiny/sums"]
    assert tasks("imported") == ["tiny/theirs"]


def test_pins_that_name_no_style_are_errors(workspace: Workspace) -> None:
    """The nearest id is named, at the place in the recipe."""
    workspace.write_recipe(styles={"exemplars": {"separators": ["blank_lime"]}})

    done = run("plan", workspace.recipe, *workspace.options)

    assert done.exit_code == 1
    assert "styles.exemplars.separators" in done.stderr
    assert "Did you mean 'blank_line'?" in done.stderr


def test_bytes_are_estimates_until_they_are_measured(store: Path) -> None:
    """Unmeasured bytes carry a mark; measured ones do not."""
    rough = run("plan", "quickstart", "--store", store)
    exact = run("plan", "quickstart", "--store", store, "--measure")
    measured = json.loads(run("plan", "quickstart", "--store", store, "--measure", "--json").stdout)

    assert "~" in rough.stdout
    assert "~" not in exact.stdout
    assert measured["bytes_estimated"] == 0
    assert sum(t["bytes"] for t in measured["tasks"].values()) == measured["bytes"]
    assert measured["cpu_seconds"] > 0


def test_measured_bytes_are_those_of_the_finished_mixture(store: Path, mixture: Path) -> None:
    """What `plan --measure` expects of the whole is within 5 % of what the shards hold."""
    plan = json.loads(run("plan", "quickstart", "--store", store, "--measure", "--json").stdout)
    held = 0
    for shard in sorted((mixture / "data").glob("*.parquet")):
        table = pq.read_table(shard, columns=["inputs", "targets"])
        for name in ("inputs", "targets"):
            held += pc.sum(pc.binary_length(table[name])).as_py()

    assert abs(plan["bytes"] - held) < held / 20


@pytest.mark.parametrize("measure", [[], ["--measure"]])
def test_bytes_are_split_over_variants_without_a_rest(store: Path, measure: list[str]) -> None:
    """Of tasks, parts and the whole, the bytes of the variants come to all bytes."""
    done = run("plan", "quickstart", "--store", store, "--json", *measure)

    plan = json.loads(done.stdout)
    for found in [*plan["tasks"].values(), *plan["submixtures"].values()]:
        assert sum(found["variant_bytes"].values()) == found["bytes"]
        assert found["variant_bytes"].keys() == found["variants"].keys()
        seconds = found["variant_cpu_seconds"]
        assert seconds.keys() == found["variants"].keys()
        assert sum(seconds.values()) == pytest.approx(found["cpu_seconds"], abs=0.01)
        assert found["cpu_seconds"] > 0


def test_measured_bytes_of_variants_are_those_of_the_finished_mixture(
    store: Path, mixture: Path
) -> None:
    """Of each variant `plan --measure` expects what the shards hold, to a tenth."""
    plan = json.loads(run("plan", "quickstart", "--store", store, "--measure", "--json").stdout)
    expected: Counter[str] = Counter()
    for task in plan["tasks"].values():
        for cell, size in task["variant_bytes"].items():
            expected[cell.split(":")[0]] += size
    held: Counter[str] = Counter()
    for shard in sorted((mixture / "data").glob("*.parquet")):
        for record in pq.read_table(shard, columns=["inputs", "targets", "variant"]).to_pylist():
            held[record["variant"]] += len((record["inputs"] + record["targets"]).encode())

    assert expected.keys() == held.keys()
    assert all(abs(expected[name] - held[name]) < held[name] / 10 for name in held)


def test_variants_have_a_table_of_their_own(store: Path) -> None:
    """`--variants` gives a line for each variant of each part, with its bytes."""
    done = run("plan", "quickstart", "--store", store, "--variants")
    plan = json.loads(run("plan", "quickstart", "--store", store, "--json").stdout)

    for path, part in plan["submixtures"].items():
        for name, quota in part["variants"].items():
            line = next(x for x in done.stdout.splitlines() if x.split()[:2] == [path, name])
            assert f" {quota:,} " in line


def test_tokens_are_counted_by_several_tokenizers_at_once(store: Path, tmp_path: Path) -> None:
    """Each file that is named gives its own sum; a token a byte gives as many as bytes."""
    pytest.importorskip("tokenizers", reason="the package tokenizers is not installed")
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    for path in (one, other):
        write_byte_tokenizer(path)
    options = ["--store", store, "--tokenizer", one, "--tokenizer", other]
    done = run("plan", "quickstart", *options)
    plan = json.loads(run("plan", "quickstart", *options, "--json").stdout)

    assert list(plan["tokens"]) == [str(one), str(other)]
    for counted in plan["tokens"].values():
        assert abs(counted["inputs"] + counted["targets"] - plan["bytes"]) <= len(plan["tasks"]) * 2
    assert f"Tokens by {one}: " in done.stdout


def test_what_runs_dry_is_said_in_numbers_before_anything_is_built(workspace: Workspace) -> None:
    """8 rows for 20 examples: they repeat, or others take over, or the mixture ends."""
    workspace.task("more", QUESTIONS * 3, size={"rows": 24, "from": "counted"})
    rates = {"all": {"rate": 1, "tasks": ["tiny/*"], "task_rates": "equal"}}

    def planned(when: str) -> str:
        workspace.write_recipe(size={"examples": 40}, when_dry=when, submixtures=rates)
        return run("plan", workspace.recipe, *workspace.options).stdout

    assert "12 examples of 40 repeat a row" in planned("repeat")
    assert "The mixture ends at 17 of the 40 examples asked for" in planned("stop")
    dry = planned("renormalise")
    assert "The mixture ends at 32 of the 40 examples asked for" in dry
    assert "Runs dry: 1 task with all rows used, 8 examples fewer" in dry
    assert "tiny/sums: 8 of 16" in dry


def test_filters_give_lost_tasks_and_the_nearest_shares(workspace: Workspace) -> None:
    """Of each part the lost tasks are named, and the shares with which no row repeats."""
    workspace.task("shop", QUESTIONS, licence={"id": "CC-BY-NC-4.0", "read_at": "here"})
    workspace.task("more", QUESTIONS * 3, size={"rows": 24, "from": "counted"})
    workspace.write_recipe(
        submixtures={
            "one": {"rate": 1, "tasks": ["tiny/shop", "tiny/sums"]},
            "two": {"rate": 1, "tasks": ["tiny/more"]},
        },
        filters={"licences": {"allow": ["CC0-1.0"], "unknown": "exclude"}},
    )
    done = run("plan", workspace.recipe, *workspace.options)
    plan = json.loads(run("plan", workspace.recipe, *workspace.options, "--json").stdout)

    assert plan["filtered"] == {"one": ["tiny/shop"]}
    assert plan["submixtures"]["one"]["asked_share"] == "1/2"
    assert plan["without_repeats"] == {"examples": 20, "shares": {"one": "2/5", "two": "3/5"}}
    assert "one 40.0 % (asked 50.0 %), two 60.0 % (asked 50.0 %)" in done.stdout


@pytest.mark.parametrize("name", ["plan.svg", "plan.png"])
def test_a_plan_is_drawn(store: Path, tmp_path: Path, name: str) -> None:
    """A drawing is an image of its kind, and drawn again it is the same file."""
    pytest.importorskip("matplotlib", reason="the package matplotlib is not installed")
    files = [tmp_path / f"{n}-{name}" for n in (1, 2)]
    for file in files:
        assert run("plan", "quickstart", "--store", store, "--plot", file).exit_code == 0
    one, other = (file.read_bytes() for file in files)

    assert one == other
    assert one.startswith(b"<?xml" if name.endswith("svg") else b"\x89PNG")


def test_a_drawing_of_an_unknown_kind_is_refused_at_once(tmp_path: Path) -> None:
    """The name says the kind; one that is not known is an error that lists those that are."""
    done = run("plan", "quickstart", "--store", tmp_path, "--plot", tmp_path / "plan.gif")

    assert done.exit_code == 2
    assert "expected a name that ends in .svg, .png, .pdf" in done.stderr


def test_a_size_in_bytes_needs_an_ingest_first(workspace: Workspace) -> None:
    """Before it the plan says so; after it the number of examples stands in the plan."""
    workspace.write_recipe(size={"bytes": 2000})

    before = run("plan", workspace.recipe, *workspace.options)
    assert run("ingest", workspace.recipe, *workspace.options).exit_code == 0
    after = json.loads(run("plan", workspace.recipe, *workspace.options, "--json").stdout)

    assert before.exit_code == 1
    assert "size.bytes: it is worked out from stored rows" in before.stderr
    assert 1800 < after["bytes"] <= 2000
