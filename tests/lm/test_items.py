"""Among items: what one pass gives is what scoring the whole trie gives, and both what the library's own logits give."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lm.toy import CONFIG, CONTEXT, EOS, VOCAB, evaluation
from preceptor.core.rng import generator
from preceptor.curriculum.next_items import NextItems
from preceptor.curriculum.stream import EvalSet
from preceptor.lm.checkpoints import new_model
from preceptor.lm.evaluate import document_losses, evaluate
from preceptor.lm.items import ItemScores, OneTokenReader, fit_share, item_loss, score_sample, standard_error
from preceptor.lm.ladder import rung

MODEL = new_model(rung(CONFIG, 2, VOCAB, CONTEXT), CONTEXT, EOS, seed=3, trunk=0)
with torch.no_grad():  # a model that prefers some tokens
    MODEL.get_input_embeddings().weight.mul_(3)


def asking(made: EvalSet, width: int, repeats: bool = False, name: str = "real-validation-seen") -> EvalSet:
    """The toy's walks read as items of `width` tokens; where items don't repeat, those met before aren't asked for."""
    rng = generator(0, "toy/items")
    position = np.concatenate([np.arange(a, b - width, width) for a, b in zip(made.offsets, made.offsets[1:], strict=False)])
    rows = made.tokens[position[:, None] + np.arange(width)]
    more = 1 + rng.integers(0, VOCAB - 1, (4, width)).astype(np.int32)
    codes, number = np.unique(np.concatenate([rows, more]), axis=0, return_inverse=True)
    target = number.reshape(-1)[: len(rows)].astype(np.int32)
    document = np.searchsorted(made.offsets, position, side="right") - 1
    n = np.arange(len(target))
    start = n if repeats else np.searchsorted(document, document)
    asked_for = np.array([target[q] not in target[start[q] : q] for q in n])
    prior = rng.random((2, len(codes)))
    asked = NextItems(
        codes=codes,
        document=document[asked_for],
        position=position[asked_for],
        target=target[asked_for],
        visited=target,
        start=start[asked_for],
        end=n[asked_for],
        cluster=document[asked_for] % 3,
        sample=rng.permutation(asked_for.sum()),
        nats={"unigram": rng.random(asked_for.sum()) + 3},
        prior=prior / prior.sum(),
    )
    law = rng.random((min(len(asked), 10), len(codes))) + 0.1
    law[asked.closed(asked.sample[: len(law)])] = 0
    own = asked.prior_rows(np.arange(len(asked)))[np.arange(len(asked)), asked.target]
    asked = dataclasses.replace(asked, law=(law / law.sum(1, keepdims=True)).astype(np.float32), prior_own=own)
    return dataclasses.replace(made, next_items=asked, meta=dict(made.meta) | {"set": name})


def naive(made: EvalSet, number: int) -> tuple[float, np.ndarray]:
    """(ln p of the item's tokens, ln p of every candidate's) by the library's own logits, one candidate at a time."""
    asked = made.next_items
    before = made.tokens[made.offsets[asked.document[number]] : asked.position[number]]
    out = []
    for code in asked.codes:
        ids = torch.tensor([[EOS, *before.tolist(), *code.tolist()]])
        with torch.no_grad():
            log_p = torch.log_softmax(MODEL(input_ids=ids).logits[0].double(), -1)
        out.append(sum(float(log_p[len(before) + k, c]) for k, c in enumerate(code)))
    return out[asked.target[number]], np.array(out)


def read(made: EvalSet) -> tuple[np.ndarray, ItemScores]:
    reader = OneTokenReader(made)
    return document_losses(MODEL, made, CONTEXT, EOS, 128, reader.take), reader.scores()


@settings(max_examples=4, deadline=None)
@given(docs=st.integers(2, 8), width=st.integers(1, 2), repeats=st.booleans())
def test_mass_and_loss_among_items_are_those_of_the_librarys_own_logits(docs: int, width: int, repeats: bool) -> None:
    made = asking(evaluation("uih-in-graph", docs), width, repeats)
    asked = made.next_items
    found = [score_sample(MODEL, made, EOS, 4)] + ([read(made)[1]] if width == 1 else [])
    for scores in found:
        for k in range(min(4, len(scores.asked))):
            number = int(scores.asked[k])
            own, log_p = naive(made, number)
            log_p[asked.visited[asked.start[number] : asked.end[number]]] = -np.inf
            mass = np.log(np.exp(log_p).sum())
            assert scores.own[k] == pytest.approx(own, abs=2e-4)
            assert scores.mass[k] == pytest.approx(mass, abs=2e-4)
            assert scores.trie[k] == pytest.approx(mass - own, abs=3e-4)
            assert mass < 0
        np.testing.assert_allclose(scores.q.sum(1), 1, rtol=1e-5)
        for row, number in zip(scores.q, scores.sampled, strict=True):
            assert (row[asked.closed(np.array([number]))[1]] == 0).all()


def test_loss_of_item_tokens_is_trie_loss_less_log_mass() -> None:
    made = asking(evaluation("uih-in-graph", 12), 1)
    asked = made.next_items
    span = np.zeros_like(made.span)
    span[asked.position] = 1
    units = np.bincount(asked.document, minlength=len(made)).astype(np.float64)
    (loss,) = evaluate(MODEL, {"x": dataclasses.replace(made, span=span, units=units, doc_reference=None)}, CONTEXT, EOS)
    assert loss.items.asked == len(asked) == int(units.sum())
    assert loss.loss == pytest.approx(loss.items.trie - np.log(loss.items.mass), rel=1e-5)
    assert loss.items.references == {"unigram": pytest.approx(asked.nats["unigram"].mean())}


def test_items_that_share_their_codes_share_their_probability() -> None:
    made = asking(evaluation("uih-in-graph", 6), 1, repeats=True)
    asked = made.next_items
    twice = dataclasses.replace(asked, codes=np.concatenate([asked.codes, asked.codes]), law=None)
    one, two = read(made)[1], read(dataclasses.replace(made, next_items=twice))[1]
    np.testing.assert_allclose(two.mass, one.mass, atol=1e-5)
    np.testing.assert_allclose(two.trie, one.trie + np.log(2), atol=1e-5)


def test_the_models_share_is_fitted_and_the_law_itself_has_no_divergence() -> None:
    made = asking(evaluation("uih-in-graph", 40), 1)
    asked, scores = made.next_items, read(made)[1]
    prior = asked.prior_rows(scores.asked)
    np.testing.assert_allclose(prior.sum(1), 1)
    own = prior[np.arange(len(prior)), asked.target]
    share = fit_share(asked, scores)
    grid = np.linspace(0, 1, 2001)
    nats = -np.log(grid[:, None] * np.exp(-scores.trie) + (1 - grid[:, None]) * own).mean(1)
    assert share == pytest.approx(grid[nats.argmin()], abs=1e-3)
    found = item_loss(asked, scores, share)
    assert found.trie_prior == pytest.approx(nats.min(), abs=1e-6)
    assert found.model_share == share
    assert found.kl > 0
    rows = 0.7 * scores.q + 0.3 * asked.prior_rows(scores.sampled)
    same = dataclasses.replace(asked, law=rows.astype(np.float32))
    assert item_loss(same, scores, 0.7).kl == pytest.approx(0, abs=1e-6)
    plain = item_loss(asked, scores, None)
    assert (plain.trie_prior, plain.model_share) == (None, None)


def test_the_share_is_that_of_validation_alone() -> None:
    part = evaluation("uih-in-graph", 20)
    sets = {name: asking(part, 1, name=name) for name in ("real-test-seen", "real-validation-seen")}
    first = evaluate(MODEL, sets, CONTEXT, EOS)[0]
    asked = sets["real-test-seen"].next_items
    harder = dataclasses.replace(asked, prior_own=asked.prior_own / 2)
    sets["real-test-seen"] = dataclasses.replace(sets["real-test-seen"], next_items=harder)
    again = evaluate(MODEL, sets, CONTEXT, EOS)[0]
    assert again.items.model_share == first.items.model_share
    assert again.items.trie_prior != first.items.trie_prior


def test_items_of_several_tokens_are_sampled_where_it_is_asked_for() -> None:
    sets = {name: asking(evaluation("uih-in-graph", 8), 2, name=name) for name in ("real-test-seen", "real-test-new")}
    assert [s.items for s in evaluate(MODEL, sets, CONTEXT, EOS)] == [None, None]
    seen, new = evaluate(MODEL, sets, CONTEXT, EOS, trie_histories=3)
    assert (seen.items.asked, new.items) == (3, None)


def test_standard_errors_count_clusters() -> None:
    rng = generator(0, "toy/errors")
    nats = rng.standard_normal(4000) + 5
    ones, alone = np.ones(4000), np.arange(4000)
    assert standard_error(nats, ones, alone) == pytest.approx(nats.std(ddof=1) / np.sqrt(4000), rel=1e-3)
    assert standard_error(np.repeat(nats[:1000], 4), ones, alone // 4) == pytest.approx(
        nats[:1000].std(ddof=1) / np.sqrt(1000), rel=1e-3
    )
