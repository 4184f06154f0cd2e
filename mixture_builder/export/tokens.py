"""Token ids of examples, for targets that write them: what ends a text, what stands between."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from mixture_builder.export.columns import separated
from mixture_builder.export.context import ExportContext
from mixture_builder.export.targets import Setting, choice
from mixture_builder.io.tokenizer import Tokenizer, load_tokenizer
from mixture_builder.token_lists import Lengths, TokenLists, constant_lists, joined

AUTO, NONE = "auto", "none"
EOS, SEPARATOR = "eos", "separator"

END = Setting(
    default=AUTO,
    about=f"the token that ends a text, such as </s>; {AUTO} finds it by its usual names",
)
BEGIN = Setting(
    default=NONE, about=f"a token at the beginning of each example, such as <s>; {NONE} for none"
)


def between(default: str) -> Setting:
    """What stands between prompt and target."""
    return choice(
        EOS,
        SEPARATOR,
        default=default,
        about=f"what stands between prompt and target: {EOS}, the token that ends a text, as in "
        f"Flan 2022, or {SEPARATOR}, the text of --separator",
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class ExampleTokens:
    """Examples, each as one list of tokens.

    Attributes:
      tokens: beginning, prompt, what stands between, target, end.
      contexts: how many tokens of each stand before those that a model is trained to give.
    """

    tokens: TokenLists
    contexts: Lengths


def tokenizer_of(context: ExportContext) -> Tokenizer:
    """The tokenizer that the user named.

    Raises:
      UsageError: if it cannot be read.
    """
    return load_tokenizer(context.tokenizer)


def end_token(context: ExportContext) -> int:
    """The id of the token that ends a text, from the setting `eos`.

    Raises:
      UsageError: if the tokenizer has none, or it cannot be told which.
    """
    tokenizer, name = tokenizer_of(context), context.settings["eos"]
    if name == AUTO:
        return tokenizer.end(wanted_by="--set eos=TOKEN")
    return tokenizer.token(name, wanted_by=f"--set eos={name}")


def begin_tokens(context: ExportContext) -> list[int]:
    """What each example begins with, from the setting `bos`: one token or none.

    Raises:
      UsageError: if the tokenizer has no such token.
    """
    name = context.settings["bos"]
    if name == NONE:
        return []
    return [tokenizer_of(context).token(name, wanted_by=f"--set bos={name}")]


def joined_tokens(examples: pa.Table, context: ExportContext) -> ExampleTokens:
    """Each example as one list, by the settings `bos`, `between` and `eos`.

    Prompt and target are tokenised apart, so no token spans both.
    """
    tokenizer, end, count = tokenizer_of(context), end_token(context), examples.num_rows
    before = [
        constant_lists(begin_tokens(context), count=count),
        tokenizer.encode(examples.column("inputs")),
    ]
    if context.settings["between"] == EOS:
        before.append(constant_lists([end], count=count))
        targets = tokenizer.encode(examples.column("targets"))
    else:
        targets = tokenizer.encode(separated(examples, context.separator))
    prompts = joined(before)
    whole = joined([prompts, targets, constant_lists([end], count=count)])
    return ExampleTokens(tokens=whole, contexts=prompts.lengths)


def ended_tokens(texts: pa.ChunkedArray, context: ExportContext) -> TokenLists:
    """The tokens of each text, with the token that ends it."""
    tokens = tokenizer_of(context).encode(texts)
    return joined([tokens, constant_lists([end_token(context)], count=len(tokens))])


def check_marks(context: ExportContext) -> None:
    """Sees to it that the tokenizer has the tokens that the settings name.

    Raises:
      UsageError: if it does not.
    """
    end_token(context)
    if "bos" in context.settings:
        begin_tokens(context)
