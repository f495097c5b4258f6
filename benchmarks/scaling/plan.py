"""Which cells each scaling study has, and which of their losses are held out: settled before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.scaling.cells import FOLDERS, SETS, Cell, Size

BUDGETS = tuple(65_536 << k for k in range(1, 7))  # .1 to 3.3 million items
MARKET = "market:n_items=5000,n_interactions=300_000"
THIRD_LOG = "market:n_items=2000,n_interactions=120_000,seed=1"
SMALL_LOGS = tuple(f"market:n_items={n},n_interactions={60 * n}" for n in (300, 1000))
SMALL = tuple(4096 << k for k in range(5))  # below the others, with a warm-up that ends before their learning rate falls
SHORT_WARM_UP = "lm.warmup=2048"
SHARED = {"nulls": ("known-floor",), "known-floor": ("nulls",)}  # the same cells: one study trains them, both judge them
BEFORE = ("lm.beta2=0.95", "lm.weight_decay=0.1")  # as of studies that were trained before results/lm-rates probed both
# Two ladders through the middle model: what depth does at one width, and what width does, which moves rank and embeddings too.
DEPTHS = (*(Size("depth", d, 48) for d in (1, 2, 3, 4, 6)), Size("depth", 8, 48, "held out"))
WIDTHS = (*(Size("width", 2, w) for w in (16, 32, 64, 96, 128)), Size("width", 2, 192, "held out"))
MIDDLE = Size("one", 2, 64)
UNLIKE = (  # models of width 64 that differ from the middle one in what T's end may be owed to
    *(("half the rate", 2, ("lm.lr=0.002",)), ("twice the rate", 2, ("lm.lr=0.008",))),
    *(("four times the batch", 2, ("lm.batch_tokens=2048",)), ("deep", 4, ())),
)
LONGER = "longer averages"  # the middle model with quick's own beta2 and weight decay
LAYERS = (*SETS, "uih-ood", "item-text", "cf-both-seen", "cf-permuted")
KNOWN_END = (  # kinds alternate, so that half of them tell something too
    *("mixture", "first-order", "mixture, all of the prior", "mixture, nine tenths walks", "mixture, half walks", "history"),
    *("mixture, half the prior", "node2vec", "mixture, a quarter of the prior", "history, every edge"),
)


def known_floor() -> Iterator[Cell]:
    """A law of a law: the end of the loss is known."""
    for log in ("ml-100k", MARKET):
        for law in ("mixture", "node2vec"):
            for size in (*WIDTHS, *DEPTHS):
                yield Cell(log, law, size, BUDGETS, seeds=3, held=1)


def nulls() -> Iterator[Cell]:
    """The same without structure in the log. The log with its structure is in known-floor: those cells are the same."""
    with_structure = {cell.name: cell for cell in known_floor() if cell.law == "node2vec"}
    for log in ("ml-100k", MARKET):
        for law in ("node2vec", "rewired", "relabelled"):
            for width in (16, 64, 128):
                cell = Cell(log, law, Size("width", 2, width), BUDGETS)
                yield with_structure.get(cell.name, cell)


def known_end() -> Iterator[Cell]:
    """T and the loss on real histories, by generator; recall against both; and two more logs. T's end may be owed to the size
    or to AdamW, so there are a wider model, a deeper one, other rates, a larger batch, and averages over more tokens; or to too
    few tokens for so many edges, so there are small logs."""
    tokens = (65_536, *BUDGETS)
    for law in KNOWN_END:
        yield Cell("ml-100k", law, MIDDLE, tokens, held=1, more=BEFORE)
    yield Cell("ml-100k", "mixture", Size("wide", 2, 128), tokens, held=1, more=BEFORE)
    for ladder, depth, more in UNLIKE:
        yield Cell("ml-100k", "mixture, all of the prior", Size(ladder, depth, 64), tokens, held=1, more=(*BEFORE, *more))
    for log in (MARKET, THIRD_LOG):
        for law in ("mixture, all of the prior", "first-order"):
            yield Cell(log, law, MIDDLE, tokens, held=1, more=BEFORE)
    for log in ("ml-100k", MARKET, THIRD_LOG, *SMALL_LOGS):
        yield Cell(log, "mixture, all of the prior", Size(LONGER, 2, 64), tokens, held=1)
    more = (*tokens, 8_388_608, 16_777_216)
    yield Cell(SMALL_LOGS[0], "mixture, all of the prior", Size("longer run", 2, 64), more, held=1)
    yield Cell(SMALL_LOGS[0], "mixture, all of the prior", Size("wide and longer averages", 2, 128), tokens, held=1)
    for log in (SMALL_LOGS[0], f"{SMALL_LOGS[0]},seed=1"):
        yield Cell(log, "mixture, all of the prior", Size("deep and longer averages", 4, 64), tokens, held=1)


def of_sasrec() -> Iterator[Cell]:
    """known-end's questions asked of SASRec: T, the loss on people and recall by fresh next items, under laws of every kind."""
    whole, walks = "mixture, all of the prior", "first-order"
    more = ("mixture, nine tenths walks", "mixture", "node2vec", "mixture, half walks")
    asked = (
        ("ml-100k", whole),
        (SMALL_LOGS[0], whole),
        ("ml-100k", walks),
        *(("ml-100k", law) for law in more),
        (MARKET, whole),
    )
    for log, law in asked:
        yield Cell(log, law, Size("SASRec", 2, 64), BUDGETS, held=1, sasrec=True)


def collapse() -> Iterator[Cell]:
    """Histories on catalogues whose rows have ten neighbours; those above 3,000 items, and a real log, are predicted.

    A wider model on 10,000 items, in no verdict, tells whether what is left there is the model's. Small budgets are cells of
    their own: below 20,480 tokens the usual warm-up would end after the learning rate began to fall.
    """
    for items in (300, 1000, 3000, 10_000, 30_000):
        large = items > 3000
        log = f"market:n_items={items},n_interactions={60 * items}"
        few = BUDGETS[2:5] if items == 30_000 else BUDGETS
        small = (32_768, 131_072) if items == 30_000 else SMALL[1:] if large else SMALL  # from .1 per effective edge on
        for law in ("first-order", *(() if items == 30_000 else ("mixture",))):
            yield from _of_catalogue(log, law, few, small, large)
    later = {f"market:n_items={n},n_interactions={60 * n}": few for n, few in ((20_000, BUDGETS[1:5]), (60_000, BUDGETS[3:]))}
    later |= dict.fromkeys(FOLDERS, BUDGETS[:5])
    for log, tokens in later.items():  # trained after the law of uses was found
        yield Cell(log, "first-order", Size("catalogue", 2, 64, "held out"), tokens, 1, more=("graph.top_k=10",))
    log = "market:n_items=10000,n_interactions=600000"
    yield Cell(log, "first-order", Size("wide", 2, 128, "held out"), BUDGETS[1:4], 1, more=("graph.top_k=10",))
    for law in ("first-order", "mixture"):
        yield from _of_catalogue("ml-100k", law, BUDGETS, SMALL[1:], True)


def _of_catalogue(log: str, law: str, tokens: tuple[int, ...], small: tuple[int, ...], held: bool) -> Iterator[Cell]:
    size, seeds = Size("catalogue", 2, 64, "held out" if held else "fitted"), 1 if held else 2
    yield Cell(log, law, size, tokens, seeds, more=("graph.top_k=10",))
    yield Cell(log, law, size, small, seeds, arm="small budgets", more=("graph.top_k=10", SHORT_WARM_UP))


def repetition() -> Iterator[Cell]:
    """So many distinct histories, read for 1 to 64 epochs, against new ones for ever."""
    for unique, epochs in ((32_768, 64), (131_072, 64), (524_288, 16), (0, 0)):  # 25k, 100k and 400k items
        tokens = tuple(unique << k for k in range(epochs.bit_length())) if unique else tuple(32_768 << k for k in range(9))
        arm = f"{unique:,} distinct tokens" if unique else "endless"
        more = (*BEFORE, f"curriculum.history_tokens={unique}")
        yield Cell("ml-100k", "mixture", MIDDLE, tokens, held=1, arm=arm, more=more)


def mixture() -> Iterator[Cell]:
    """What layers do for each other, at equal tokens of their own and at equal totals (budgets double, shares are halves).

    2,500 pairs are 60,000 tokens: every arm reads each pair at least once, and the quarter of the smallest budget is left out.
    """
    common = ("codes.representation=codes", "curriculum.wording=compact", "curriculum.cf_pairs=2500", "lm.trie_histories=0")
    arms = {
        "histories": (0, 0, 1),
        "pairs": (0, 1, 0),
        "texts": (1, 0, 0),
        "histories and pairs": (0, 0.5, 0.5),
        "histories and permuted pairs": (0, 0.5, 0.5),
        "histories and texts": (0.5, 0, 0.5),
        "pairs and texts": (0.5, 0.5, 0),
        "all three": (0.25, 0.25, 0.5),
    }
    for arm, (text, pairs, walks) in arms.items():
        shares = f"curriculum.mixture={{general: 0, item_text: {text}, cf: {pairs}, uih: {walks}}}"
        control = ("curriculum.cf_permuted=true",) if "permuted" in arm else ()
        tokens = BUDGETS[1:] if pairs == 0.25 else BUDGETS
        yield Cell("ml-100k", "mixture", MIDDLE, tokens, arm=arm, more=(*BEFORE, *common, shares, *control), sets=LAYERS)


def schedule() -> Iterator[Cell]:
    """Decay branches, the checkpoints of one cosine, and as the referee one full cosine for each number of tokens."""
    cosine = (*BEFORE, "lm.schedule=cosine")
    for width in (32, 64):
        size = Size("width", 2, width)
        yield Cell("ml-100k", "mixture", size, BUDGETS, held=1, arm="branches", more=BEFORE)
        yield Cell("ml-100k", "mixture", size, BUDGETS, held=1, arm="one cosine", more=cosine)
        for tokens in BUDGETS:  # the judge reads these as one arm
            held = int(tokens == BUDGETS[-1])
            yield Cell("ml-100k", "mixture", size, (tokens,), held=held, arm=f"a cosine each {tokens}", more=cosine)


def text() -> Iterator[Cell]:
    """Items as tokens of their own, as codes, and as the first words of their titles: to a model from scratch a word is a token
    that items share, so this asks what sharing by text is worth, and not what a pre-trained model knows. Budgets are
    a quarter of the other studies': four tokens per item cost four times as much."""
    codes = ("codes.representation=codes", "codes.held_out_share=0", "curriculum.wording=compact", "lm.trie_histories=0")
    for arm, more, words, longer in (("items", (), 0, 1), ("codes", codes, 0, 4), ("words", codes, 4, 4)):
        for size in (*WIDTHS[:4], Size("width", 2, 128, "held out")):
            tokens = tuple(longer * d // 4 for d in BUDGETS)  # four tokens per item where items have four
            yield Cell(MARKET, "mixture", size, tokens, held=1, arm=arm, more=more, sets=SETS[:1], words=words)


STUDIES = {
    "known-floor": tuple(known_floor()),
    "nulls": tuple(nulls()),
    "known-end": tuple(known_end()),
    "sasrec": tuple(of_sasrec()),
    "collapse": tuple(collapse()),
    "repetition": tuple(repetition()),
    "mixture": tuple(mixture()),
    "schedule": tuple(schedule()),
    "text": tuple(text()),
    "tiny": (
        Cell(
            "market:n_interactions=3000,n_items=120,seed=3",
            "mixture",
            Size("width", 1, 16),
            (2048, 4096),
            seeds=1,
            held=1,
            more=("lm.warmup=512", "curriculum.eval_documents=16", "generator.floor_walks=300"),
        ),
    ),
}
