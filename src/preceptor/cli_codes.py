"""The commands about item codes: a tokeniser fitted to general text, and tokenisers side by side on a catalogue."""

from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from preceptor import cli_output as shown

if TYPE_CHECKING:
    from preceptor.study import StudyConfig

codes_app = App(name="codes", help="Fit a tokeniser of item codes to general text, or compare tokenisers on a catalogue.")

_Set = Annotated[list[str] | None, Parameter(name="--set", help="section.key=value; may be repeated.", negative="")]
_Out = Annotated[Path, Parameter(name="--out", help="The folder for the result. A second run there resumes.")]


@codes_app.command(name="fit")
def codes_fit(*, text: str = "installed-docs", out: _Out, passages: int = 100_000, set_: _Set = None) -> None:
    """Fit a tokeniser to general text. Any catalogue can then use it unchanged (codes.pretrained).

    Parameters
    ----------
    text
        A folder of .txt, .txt.gz or .jsonl files, hf:NAME, or installed-docs.
    passages
        Largest number of sentences to use.
    """
    from preceptor.codes import pretrain
    from preceptor.codes.passages import passages as cut
    from preceptor.core.lock import locked
    from preceptor.curriculum import general

    config = _config(set_, {"codes": {"encoder": "minilm"}})
    source = dataclasses.replace(config.curriculum.general, source=text, characters=200 * passages)
    texts = cut(general.read(source, config.seed).train, passages, config.seed)  # codes.seed alone leaves the text as it is
    with locked(out):
        made = pretrain.fit(texts, config.codes, out)
    shown.line(f"--set codes.encoder={config.codes.encoder} --set codes.pretrained={made.path}")


@codes_app.command(name="compare")
def codes_compare(
    *,
    data: Annotated[str, Parameter(name="--data", help="A log, as for `preceptor run`.")],
    out: _Out,
    pretrained: Annotated[
        list[Path] | None,
        Parameter(help="Folders made by `codes fit`. Folders that differ in latents are trials; in seed, seeds."),
    ] = None,
    seeds: int = 3,
    set_: _Set = None,
    json_: Annotated[bool, Parameter(name="--json", help="Print JSON to standard output.", negative="")] = False,
) -> None:
    """Compare tokenisers on a catalogue: sae, rq-kmeans and rq-vae, with TF-IDF and MiniLM, and equal trials.

    Parameters
    ----------
    seeds
        Number of fits of each chosen setting.
    """
    from preceptor.codes import compare_report
    from preceptor.codes.compare import TOKENISERS, compare
    from preceptor.codes.sentences import MINILM
    from preceptor.core.lock import locked
    from preceptor.core.progress import say
    from preceptor.data.read import read

    config = _config(set_, {"data": {"source": data}})
    split = read(data, config.data).split(config.data.split)
    encoders = ["tfidf", "minilm"] if importlib.util.find_spec(MINILM) else ["tfidf"]
    tokenisers = list(TOKENISERS) if importlib.util.find_spec("faiss") else [t for t in TOKENISERS if t != "rq-kmeans"]
    for extra, there in (("minilm", len(encoders) == 2), ("faiss", len(tokenisers) == 3)):
        if not there:
            say(f"  left out, because {extra} is not installed (pip install 'preceptor[{extra}]')")
    with locked(out):
        found = compare(split, config.codes, out, encoders, pretrained or (), seeds, tokenisers)
        page = compare_report.write(found, out, Path(data).name)
    if json_:
        shown.data({"page": str(page), "rows": found.rows})
        return
    shown.table(compare_report.SHOWN, compare_report.cells(found))
    shown.line(page)


def _config(assignments: list[str] | None, tree: dict[str, Any]) -> StudyConfig:
    from preceptor.study import validate
    from preceptor.study_file import override

    return validate(override(tree, assignments), "command line")
