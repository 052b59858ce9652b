"""ConvNet by the literature's definition, and what makes networks fast."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from rudcodec.errors import SettingError
from rudcodec.nets import NETS, ConvNet, build, literature_depth, title
from rudcodec.nets.layers import InstanceNorm, halved
from rudcodec.nets.speed import compiled


@pytest.mark.parametrize(
    ("channels", "size", "depth", "features"),
    [
        (3, 8, 3, 1),
        (1, 28, 3, 16),  # padded to 32
        (3, 28, 3, 9),  # not padded
        (3, 32, 3, 16),
        (1, 32, 3, 16),
        (3, 37, 3, 16),
        (3, 64, 4, 16),
        (3, 128, 5, 16),
        (3, (16, 24), 3, 6),
    ],
)
def test_feature_and_output_shapes(
    channels: int, size: int | tuple[int, int], depth: int, features: int
) -> None:
    net = ConvNet(channels, 7, size, depth, width=4)
    height, width = (size, size) if isinstance(size, int) else size
    x = torch.randn(2, channels, height, width)
    assert net.features(x).shape == (2, 4 * features)
    assert net(x).shape == (2, 7)


def test_is_the_published_network() -> None:
    net = ConvNet(3, 10, 32)
    blocks: list[nn.Module] = []
    for i in range(3):
        norm = nn.GroupNorm(128, 128, affine=True)
        blocks += [nn.Conv2d(128 if i else 3, 128, 3, padding=1), norm, nn.ReLU(), nn.AvgPool2d(2, 2)]
    reference = nn.Sequential(*blocks, nn.Flatten(), nn.Linear(2048, 10))
    assert sum(p.numel() for p in net.parameters()) == 320010  # ConvNet-3 on CIFAR-10
    with torch.no_grad():
        for i in range(3):
            reference[4 * i].load_state_dict(net.convs[i].state_dict())
            nn.init.normal_(net.norms[i].weight)  # type: ignore[arg-type]
            reference[4 * i + 1].load_state_dict(net.norms[i].state_dict())
        reference[13].load_state_dict(net.classifier.state_dict())
        x = torch.randn(4, 3, 32, 32)
        assert torch.allclose(net(x), reference(x), atol=1e-5)


def test_generator_decides_the_weights() -> None:
    def weights(seed: int) -> torch.Tensor:
        net = ConvNet(1, 10, 28, width=8)
        net.reset(torch.Generator().manual_seed(seed))
        return torch.cat([p.detach().flatten() for p in net.parameters()])

    assert torch.equal(weights(3), weights(3))
    assert not torch.equal(weights(3), weights(4))


def test_generator_draws_like_torch() -> None:
    torch.manual_seed(0)
    net = ConvNet(3, 10, 32)
    net.reset(torch.Generator().manual_seed(1))
    ours = net.convs[1].weight
    theirs = nn.Conv2d(128, 128, 3).weight
    assert isinstance(ours, torch.Tensor)
    assert ours.std().item() == pytest.approx(theirs.std().item(), rel=0.02)
    assert ours.abs().max().item() == pytest.approx(theirs.abs().max().item(), rel=0.01)


def test_features_pass_gradients_to_images() -> None:
    x = torch.randn(2, 1, 8, 8, requires_grad=True)
    ConvNet(1, 10, 8, depth=2, width=8).features(x).square().sum().backward()
    assert x.grad is not None and (x.grad != 0).any(dim=(1, 2, 3)).all()


def test_too_small_an_image_is_a_users_mistake() -> None:
    with pytest.raises(SettingError, match="too small"):
        ConvNet(1, 10, 8, depth=4)


@pytest.mark.parametrize(
    ("net", "weights"),
    [
        ("mlp", 411_146),
        ("lenet", 62_006),
        ("alexnet", 1_872_202),
        ("vgg11", 9_231_114),  # as with batch norm
        ("resnet18", 11_173_962),
    ],
)
def test_are_the_published_networks(net: str, weights: int) -> None:
    built = build(net, (32, 32, 3), 10, torch.Generator().manual_seed(0))
    assert sum(p.numel() for p in built.parameters()) == weights


@pytest.mark.parametrize("net", NETS.builtins)
@pytest.mark.parametrize(("channels", "size"), [(1, (8, 8)), (1, (28, 28)), (3, (32, 48)), (3, (128, 128))])
def test_every_network_takes_every_size(net: str, channels: int, size: tuple[int, int]) -> None:
    def made(seed: int) -> nn.Module:
        return build(net, (*size, channels), 5, torch.Generator().manual_seed(seed), width=16)

    if net == "lenet" and size == (8, 8):
        with pytest.raises(SettingError, match="8x8: too small"):
            made(0)
        return
    student, same, other = made(0), made(0), made(1)
    x = torch.randn(2, channels, *size)
    logits = student(x)
    assert logits.shape == (2, 5) and title(net, size)
    assert torch.equal(logits, same(x)) and not torch.equal(logits, other(x))
    assert not torch.allclose(logits[0], logits[1])  # it sees the picture
    logits.square().sum().backward()
    assert all(p.grad is not None for p in student.parameters())


@pytest.mark.parametrize(("side", "depth"), [(4, 2), (8, 3), (28, 3), (32, 3), (64, 4), (128, 5)])
def test_literature_depth(side: int, depth: int) -> None:
    assert literature_depth(side, side + 5) == depth


def test_a_failing_compiler_means_one_warning_and_the_plain_function(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> object:
        def fail(*_: object) -> None:
            raise RuntimeError("no g++\nand many more lines")

        return fail

    monkeypatch.setattr(torch, "compile", broken)
    double = compiled(lambda x: x * 2)
    with pytest.warns(RuntimeWarning, match="without it: no g\\+\\+$") as caught:
        assert double(torch.tensor(3)).item() == 6
    assert len(caught) == 1
    assert double(torch.tensor(4)).item() == 8  # a second warning would be an error


def test_layers_for_the_compiler_are_the_same_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values and gradients, with an odd row to leave out."""
    generator = torch.Generator().manual_seed(3)
    norm = InstanceNorm(5)
    with torch.no_grad():
        norm.weight.normal_(generator=generator)
        norm.bias.normal_(generator=generator)
    x = (torch.randn(4, 5, 7, 6, generator=generator) * 3 + 20).requires_grad_()
    slope = torch.randn(4, 5, 3, 3, generator=generator)

    def results() -> list[torch.Tensor]:
        y = halved(torch.relu(norm(x)))
        return [y, *torch.autograd.grad((y * slope).sum(), [x, norm.weight, norm.bias])]

    eager = results()
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    for one, other in zip(results(), eager, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
