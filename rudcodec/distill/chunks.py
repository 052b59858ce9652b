"""Which images' latents train together: chunks, and calls of the utility, which see several chunks."""

from __future__ import annotations

import torch
from torch import Tensor

# On a CPU as many images as stay in its caches; a GPU, where launching work takes the time, needs as long for
# five hundred. But networks learn in each chunk, and need some of them.
CPU_CHUNK, MAX_CHUNK, MIN_CHUNKS = 100, 500, 5


def default_chunk_size(num_images: int, device: torch.device) -> int:
    """How many of ``num_images`` images train together, unless settings say."""
    if device.type == "cpu":
        return CPU_CHUNK
    return min(MAX_CHUNK, max(CPU_CHUNK, num_images // MIN_CHUNKS))


def turn_of_image(labels: Tensor, clusters: Tensor, images_in_call: int) -> Tensor:
    """In which turn each image is seen by a utility that needn't see all at once, int64 (N,).

    A call of it sees so many images, of as many clusters as it can see whole: the first one of every class,
    then the second ones. Clusters that are larger than a call take a turn each.

    Args:
        labels: int64 (N,), the class of each image.
        clusters: int64 (N,), its cluster in the class: 0, 1, ...
    """
    _, order, counts = torch.unique(
        clusters * (labels.max() + 1) + labels, return_inverse=True, return_counts=True
    )
    seen_whole = max(1, images_in_call // int(counts.max()))
    num_turns = -(-len(counts) // seen_whole)
    return order * num_turns // len(counts)


def chunk_of_image(turns: Tensor, chunk_size: int) -> Tensor:
    """The chunk of each image, int64 (N,): 0, 1, ...; those of a turn are about as large, and have about as
    many images of each class.

    Args:
        turns: int64 (N,), as :func:`turn_of_image` has it, of images that are ordered by class; those of each
            have chunks of their own, one after another.
        chunk_size: images of a chunk, at most.
    """
    chunks = torch.empty_like(turns)
    first = 0
    for turn in range(int(turns.max()) + 1):
        rows = (turns == turn).nonzero().flatten()
        count = -(-len(rows) // chunk_size)
        chunks[rows] = first + torch.arange(len(rows)) % count
        first += count
    return chunks


def calls(chunks: Tensor, turns: Tensor, images_in_call: int) -> list[list[int]]:
    """Which chunks each call of the utility sees: all of a turn, or as many at once as hold no more images
    than it may see.

    Args:
        chunks: int64 (N,), as :func:`chunk_of_image` has it: of so many images at most.
        turns: int64 (N,), as it was told.
        images_in_call: how many images a call may see.
    """
    found = []
    for turn in range(int(turns.max()) + 1):
        of_turn, sizes = chunks[turns == turn].unique(return_counts=True)
        at_once = max(1, images_in_call // int(sizes.max()))
        count = 1 if int(sizes.sum()) <= images_in_call else -(-len(of_turn) // at_once)
        found += [part.tolist() for part in of_turn.tensor_split(count)]
    return found
