"""Given vectors beside learned ones: items never seen, and items read by their given vector alone."""

from __future__ import annotations

import torch

from steerec.networks.sequence import SequenceNetwork, TransformerConfig


def network(*, seen: list[bool], id_dropout: float = 0.0, num_items: int = 3) -> SequenceNetwork:
    torch.manual_seed(0)
    return SequenceNetwork(
        TransformerConfig(),
        num_items=num_items,
        width=4,
        window=4,
        given=torch.randn(num_items, 2),
        seen=torch.tensor(seen),
        id_dropout=id_dropout,
    )


def test_items_never_seen_have_their_given_vector_only() -> None:
    both = network(seen=[True, False, True])
    assert both.items is not None
    assert both.project_given is not None
    made = both.project_given(both.given)
    vectors = both.vectors()
    assert torch.equal(vectors[1], made[1])
    assert torch.allclose(vectors[[0, 2]], made[[0, 2]] + both.items.weight[[0, 2]])
    assert torch.equal(vectors[3], both.items.weight[3])  # the mask has no given vector
    (gradient,) = torch.autograd.grad(vectors.square().sum(), both.items.weight)
    assert gradient[1].abs().max() == 0
    assert gradient[0].abs().max() > 0


def test_items_never_seen_are_no_wrong_answers_in_training() -> None:
    both = network(seen=[True, False, True])
    assert torch.isinf(both.head().bias).tolist() == [False, True, False]
    assert torch.isfinite(both.eval().head().bias).all()


def test_a_share_of_the_items_is_read_by_given_vectors_in_training_only() -> None:
    both = network(seen=[True] * 4000, id_dropout=0.25, num_items=4000)
    assert both.project_given is not None
    made = both.project_given(both.given)
    alone = (both.vectors()[:-1] == made).all(dim=1).float().mean()
    assert abs(float(alone) - 0.25) < 0.03
    assert not (both.eval().vectors()[:-1] == made).all(dim=1).any()
