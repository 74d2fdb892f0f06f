"""What L0 is compared with on images: pruning by norm, dropout, new starts; counts and claims."""

import math
from typing import Any

import pandas as pd
import pytest
import torch
from tidy_tables import alike, rows_as_table, with_measures
from torch import nn

from multiview import stream
from multiview.models import MLP, LeNet5, WideResNet
from multiview.runs.claims import judge
from multiview.runs.find import find
from multiview.sparsity import eval_gates, gated_layers, pruned
from theory_experiments import _l0_claims as judged
from theory_experiments import _l0_images as parts
from theory_experiments import _l0_nets as nets
from theory_experiments import _l0_published as published
from theory_experiments import l0_gates as script


def test_the_net_of_the_size_left_has_a_start_of_its_own():
    base = MLP(input_shape=(1, 4, 4), num_classes=3, widths=(7, 6), generator=stream(0))
    gated = nets.with_gates(base, 0.5, stream(1))
    with torch.no_grad():
        for layer in gated_layers(gated).values():
            layer.gates.log_alpha[::2] = -5
    left = pruned(gated)
    fresh = nets.reinitialised(left, stream(2))
    for old, new in zip(left.parameters(), fresh.parameters(), strict=True):
        assert old.shape == new.shape
        assert new.dim() == 1 or not old.equal(new)
    x = torch.randn(5, 1, 4, 4, generator=stream(0))
    closed = x.clone().flatten(1)
    closed[:, ::2] = 9.0
    # It reads the inputs that were left.
    torch.testing.assert_close(fresh.eval()(x), fresh(closed.view_as(x)))


def test_pruning_by_norm_keeps_the_largest_and_only_what_is_made():
    net = LeNet5(image_shape=(1, 16, 16), widths=(4, 5, 6), generator=stream(0)).eval()
    wanted = (2, 3, 2, 4)
    small = nets.magnitude_pruned(net, wanted)
    weights: list[Any] = [
        each for each in small.modules() if isinstance(each, nn.Conv2d | nn.Linear)
    ]
    conv: Any = net.layers[0]
    norms = conv.weight.flatten(1).square().sum(1)
    kept = norms.topk(2).indices.sort().values
    assert weights[0].weight.equal(conv.weight[kept])
    # No more than asked for: a filter none of whose pixels is read is gone too.
    assert weights[0].out_channels == 2
    assert weights[1].out_channels <= 3
    assert weights[2].in_features == 2
    assert weights[3].in_features == 4


def test_pruning_by_norm_to_all_units_changes_nothing():
    x = torch.randn(3, 3, 16, 16, generator=stream(0, "x"))
    for net, units in (
        (LeNet5(image_shape=(3, 16, 16), widths=(4, 5, 6), generator=stream(0)), (4, 5, 5, 6)),
        (WideResNet(depth=10, widen=1, image_shape=(3, 16, 16), generator=stream(0)), (16, 32, 64)),
    ):
        small = nets.magnitude_pruned(net.eval(), units)
        torch.testing.assert_close(small(x), net(x), rtol=1e-5, atol=1e-5)


def test_pruning_a_wide_resnet_by_norm():
    net = WideResNet(depth=10, widen=1, image_shape=(3, 8, 8), generator=stream(0)).eval()
    small = nets.magnitude_pruned(net, (2, 30, 7))
    blocks: list[Any] = [each for each in small.modules() if type(each).__name__ == "Block"]
    assert [each.branch[0].out_channels for each in blocks] == [2, 30, 7]


def test_dropout_stands_before_linear_layers_and_inside_blocks():
    mlp = MLP(input_shape=(1, 4, 4), num_classes=3, widths=(7,), generator=stream(0))
    rates = [each.p for each in nets.with_dropout(mlp, 0.2, 0.5).modules() if _is_dropout(each)]
    assert rates == [0.2, 0.5]
    lenet = LeNet5(image_shape=(1, 16, 16), generator=stream(0))
    rates = [each.p for each in nets.with_dropout(lenet, 0.2, 0.5).modules() if _is_dropout(each)]
    assert rates == [0.5, 0.5]  # a convolution reads the image
    wide = WideResNet(depth=10, widen=1, generator=stream(0))
    blocks = [each for each in nets.with_dropout(wide, 0.2, 0.3).modules() if _is_dropout(each)]
    assert [each.p for each in blocks] == [0.3] * 3
    assert not any(_is_dropout(each) for each in (*mlp.modules(), *wide.modules()))


def _is_dropout(module: nn.Module) -> bool:
    return isinstance(module, nn.Dropout)


def test_shares_of_weights_are_by_gates():
    net = MLP(input_shape=(4,), num_classes=3, widths=(2,), generator=stream(0))
    gated = nets.with_gates(net, 0.5, stream(0))
    first, second = gated_layers(gated).values()
    assert nets.share_left(gated) == 1.0
    with torch.no_grad():
        first.gates.log_alpha[:3] = -5
        second.gates.log_alpha[0] = -2.39  # open at test time, though nearly closed
    assert eval_gates(second.gates.log_alpha)[0] > 0
    assert nets.share_left(gated) == (1 * 2 + 2 * 3) / (4 * 2 + 2 * 3)


def test_published_flops_are_multiply_adds():
    """What other papers print of LeNet-5, to the 5% that biases and the like may be; but one."""
    assert published.multiply_adds("lenet", (20, 50, 800, 500)) == 2_293_000
    for units, printed in (
        ((9, 18, 65, 25), 403e3),
        ((7, 13, 208, 16), 254e3),
        ((8, 13, 88, 13), 290e3),
        ((5, 10, 76, 16), 158e3),
        ((3, 18, 284, 283), 217e3),
    ):
        assert published.multiply_adds("lenet", units) == pytest.approx(printed, rel=0.05)
    one_lambda = published.multiply_adds("lenet", (20, 25, 45, 462))
    assert one_lambda == 1_113_410
    assert one_lambda / 1.3e6 == pytest.approx(0.86, abs=0.005)  # why, is not known


def test_a_cliff_outside_of_the_sweep_is_no_value():
    def ratio(*shares: float) -> float:
        return judged.cliff_ratio(pd.DataFrame({"strength": [1.0, 2, 3, 4], "share": shares}))

    assert ratio(1.0, 0.95, 0.5, 0.1) == 2.0
    assert math.isnan(ratio(1.0, 1.0, 0.9, 0.5))


PART = "mnist_mlp"
STRENGTHS = parts.Cliff().strengths
GOOD = {  # all claims hold
    "equal": {
        "error": 0.014,
        "share": 0.33,
        "expected_share": 0.35,
        "flops": 1.4e5,
        "parity": 3e-7,
    },
    "separate": {"error": 0.018, "flops": 5e4},
    "dense": {"error": 0.013},
    "magnitude": {"error": 0.02},
    "small": {"error": 0.016},
    "lambda_0.03": {"flops": 5e5},
    "lambda_0.5": {"flops": 5e4},
    "target_0.3": {"expected_share": 0.3, "share": 0.29},
}


def cliff(*shares: float) -> dict[str, dict[str, float]]:
    """Shares left by rising lambda."""
    return {
        f"cliff_{strength:g}": {"strength": float(strength), "share": share}
        for strength, share in zip(STRENGTHS, shares, strict=True)
    }


FALLS = cliff(*[1.0] * 5, 0.5, 0.116, 0.116, 0.116)


def rows(row=GOOD, shares=FALLS, part: str = PART) -> pd.DataFrame:
    """Two repetitions."""
    return rows_as_table(*alike({**row, **shares}, 2), part=part, data="mnist")


def refuted(table: pd.DataFrame) -> set[str]:
    claims = find("l0_gates").claims_about("laptop", script.Options(part=PART))
    found = [judge(claim, script.derived(table)) for claim in claims]
    assert not any("Error" in each.note for each in found)
    assert {each.verdict for each in found} <= {"supported", "refuted"}
    names = [each.claim.name for each in found if each.verdict == "refuted"]
    return {name.removeprefix("784-300-100: ") for name in names}


@pytest.mark.parametrize(
    ("method", "worse", "names"),
    [
        ("equal", {"error": 0.02}, {"error, equal", "against dense"}),
        (
            "equal",
            {"error": 0.027},
            {"error, equal"} | {f"against {w}" for w in ("dense", "magnitude", "small")},
        ),
        ("separate", {"error": 0.024}, set()),  # its lambdas are ours
        ("equal", {"share": 0.7}, {"weights left"}),
        ("equal", {"expected_share": 0.335}, {"expected share"}),
        ("separate", {"flops": 1.3e5}, {"separate lambdas"}),
        ("lambda_0.5", {"flops": 4.9e5}, {"sweep"}),
        ("equal", {"parity": 1e-4}, {"parity"}),
        ("target_0.3", {"expected_share": 0.34}, {"target, expected share"}),
        ("target_0.3", {"share": 0.25}, {"target, share at test time"}),
    ],
)
def test_each_claim_turns_with_the_measure_it_is_about(method, worse, names):
    assert refuted(rows(with_measures(GOOD, method, **worse))) == names


def test_a_good_run_refutes_nothing_and_a_slow_fall_the_cliff():
    assert refuted(rows()) == set()
    slow = cliff(*[1.0] * 3, 0.8, 0.5, 0.4, 0.3, 0.2, 0.12)
    assert refuted(rows(shares=slow)) == {"cliff"}


def test_claims_of_lambdas_that_are_not_the_papers_or_of_no_sweep_are_not_made():
    found = find("l0_gates").claims_about("laptop", script.Options())
    claims = {each.name: each for each in found}
    assert "LeNet-5: error, separate" in claims
    assert "784-300-100: error, separate" not in claims
    assert claims["784-300-100: separate lambdas"].source == "ours"
    assert "784-300-100: sweep" in claims
    assert "LeNet-5: sweep" not in claims
    assert "from memory" in claims["784-300-100: error, equal"].source
    assert "from memory" not in claims["LeNet-5: error, equal"].source
    assert claims["784-300-100: error, equal"].predicted == pytest.approx((0.009, 0.019))


def test_what_was_changed_after_a_look_at_test_images_says_so():
    claims = find("l0_gates").claims_about("laptop", script.Options())
    after = {each.name for each in claims if each.decided == "after"}
    rivals = ("dense", "magnitude", "small")
    assert after == {
        f"{net}: against {who}" for net in ("784-300-100", "LeNet-5") for who in rivals
    }


def test_claims_are_about_their_own_part():
    other = rows(with_measures(GOOD, "equal", error=0.5), part="lenet")
    assert refuted(pd.concat([rows(), other], ignore_index=True)) == set()
    assert find("l0_gates").claims_about("smoke", script.Options()) == []
