"""The trained state of a synthetic set: latents of every image and the networks that decode them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from rudcodec.model.context import ContextNetwork
from rudcodec.model.synthesis import SynthesisNetwork
from rudcodec.payload import Architecture


@dataclass(frozen=True)
class Decoded:
    """``images`` (n, C, H, W) in units of the synthesis output; ``bits`` (n,) of each image's latents."""

    images: Tensor
    bits: Tensor


class GroupNetworks(nn.Module):
    """The context network and the synthesis network that a group of images shares."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.context = ContextNetwork(architecture.grids, architecture.context_hidden)
        self.synthesis = SynthesisNetwork(sum(architecture.grids), architecture.synthesis)

    def tensors(self) -> list[nn.Parameter]:
        """Weight and bias of each layer in turn, of the context network and then of the synthesis network."""
        return [
            tensor
            for network in (self.context, self.synthesis)
            for pair in zip(network.weights, network.biases, strict=True)
            for tensor in pair
        ]


class Chunk(nn.Module):
    """Latents of some images that are worked on together.

    ``index`` (n,): which images of the set these are, ascending. ``levels``: their latents, coarse to fine,
    each (n, c, h, w). ``slices``: the rows of each group, for groups are runs of classes and images are
    ordered by class.
    """

    def __init__(self, index: Tensor, levels: Sequence[Tensor], groups: Tensor) -> None:
        super().__init__()
        self.index: Tensor
        self.register_buffer("index", index, persistent=False)
        self.levels = nn.ParameterList([level[index].clone() for level in levels])
        owners = groups[index]
        self.slices = [
            (int(g), slice(int((owners < g).sum()), int((owners <= g).sum()))) for g in owners.unique()
        ]


@dataclass(frozen=True)
class Shard:
    """Some images of a chunk: their ``rows`` in it, which images of the set these are, and ``slices`` as a
    chunk's."""

    rows: slice
    index: Tensor
    slices: list[tuple[int, slice]]

    @classmethod
    def of(cls, chunk: Chunk, rows: slice) -> Shard:
        slices = [
            (group, slice(max(own.start, rows.start) - rows.start, min(own.stop, rows.stop) - rows.start))
            for group, own in chunk.slices
        ]
        return cls(rows, chunk.index[rows], [(group, own) for group, own in slices if own.start < own.stop])


def _each(images: Chunk | Shard, levels: Sequence[Tensor], networks: Sequence[nn.Module]) -> Tensor:
    """What the network of each group makes of its images, (n, ...): by one product for all groups where they
    have as many images each."""
    rows = [rows for _, rows in images.slices]
    counts = {own.stop - own.start for own in rows}
    if len(rows) == 1 or len(counts) > 1:
        found = [net([y[own] for y in levels]) for net, own in zip(networks, rows, strict=True)]
        return torch.cat(found)
    named = [dict(net.named_parameters()) for net in networks]
    weights = {name: torch.stack([its[name] for its in named]) for name in named[0]}

    def one(weights: dict[str, Tensor], *levels: Tensor) -> Tensor:
        found: Tensor = functional_call(networks[0], weights, (levels,))
        return found

    return torch.vmap(one)(weights, *(y.unflatten(0, (len(rows), -1)) for y in levels)).flatten(0, 1)


class SyntheticModel(nn.Module):
    """All images' latents, in chunks, and the networks of every group.

    ``levels`` holds the initial latents, coarse to fine, each (N, c, h, w) in units of the quantization
    step; ``groups`` (N,) the group of each image, ascending; ``chunks`` (N,) the chunk of each.
    """

    def __init__(
        self, architecture: Architecture, levels: Sequence[Tensor], groups: Tensor, chunks: Tensor
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.count = groups.numel()
        self.networks = nn.ModuleList(GroupNetworks(architecture) for _ in range(int(groups.max()) + 1))
        self.chunks = nn.ModuleList(
            Chunk((chunks == i).nonzero().flatten(), levels, groups) for i in range(int(chunks.max()) + 1)
        )

    def each_chunk(self) -> Iterator[Chunk]:
        for chunk in self.chunks:
            assert isinstance(chunk, Chunk)
            yield chunk

    def each_group(self) -> Iterator[GroupNetworks]:
        for networks in self.networks:
            assert isinstance(networks, GroupNetworks)
            yield networks

    def decode(self, chunk: Chunk | Shard, levels: Sequence[Tensor]) -> Decoded:
        """Images and bits of a chunk's quantized latents, or of those of a shard."""
        return Decoded(self.images(chunk, levels), self.bits(chunk, levels))

    def images(self, chunk: Chunk | Shard, levels: Sequence[Tensor]) -> Tensor:
        """(n, C, H, W) of a chunk's quantized latents."""
        return _each(chunk, levels, [self.of(group).synthesis for group, _ in chunk.slices])

    def bits(self, chunk: Chunk | Shard, levels: Sequence[Tensor]) -> Tensor:
        """(n,) of a chunk's quantized latents."""
        return _each(chunk, levels, [self.of(group).context for group, _ in chunk.slices])

    def of(self, group: int) -> GroupNetworks:
        networks = self.networks[group]
        assert isinstance(networks, GroupNetworks)
        return networks

    def unrounded(self) -> list[Tensor]:
        """The latents of the whole set as they train: coarse to fine, each (N, c, h, w)."""
        chunks = list(self.each_chunk())
        out = []
        for level, first in enumerate(chunks[0].levels):
            whole = first.new_zeros((self.count, *first.shape[1:]))
            for chunk in chunks:
                whole[chunk.index] = chunk.levels[level].detach()
            out.append(whole)
        return out

    def latents(self) -> list[Tensor]:
        """The latents as they are coded: rounded, int32."""
        return [level.round().to(torch.int32) for level in self.unrounded()]

    def set_latents(self, levels: Sequence[Tensor]) -> None:
        """Replace the latents by others of the same shapes: coarse to fine, each (N, c, h, w)."""
        with torch.no_grad():
            for chunk in self.each_chunk():
                for mine, level in zip(chunk.levels, levels, strict=True):
                    mine.copy_(level[chunk.index.to(level.device)])

    def gradients(self, loss: Callable[[Chunk, list[Tensor]], Tensor]) -> list[Tensor]:
        """Gradient of a loss of a chunk at the rounded latents of all: coarse to fine, (N, c, h, w)."""
        gradients = [torch.zeros_like(level) for level in self.unrounded()]
        for chunk in self.each_chunk():
            levels = [y.detach().round().requires_grad_() for y in chunk.levels]
            of_chunk = torch.autograd.grad(loss(chunk, levels), levels)
            for gradient, rows in zip(gradients, of_chunk, strict=True):
                gradient[chunk.index] = rows
        return gradients

    def refine(self, factor: float) -> None:
        """Divide the quantization step by ``factor``: latents grow, networks take them for the same."""
        with torch.no_grad():
            for chunk in self.each_chunk():
                for level in chunk.levels:
                    level.mul_(factor)
            for networks in self.each_group():
                networks.synthesis.weights[0].div_(factor)
                context = networks.context
                context.weights[0].div_(factor)
                context.weights[-1][0].mul_(factor)
                context.biases[-1][..., 0].mul_(factor)
                context.biases[-1][..., 1].add_(math.log2(factor))
