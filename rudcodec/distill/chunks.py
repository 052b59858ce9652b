"""Which images' latents train together: chunks, and the parts of the classes that they are taken from."""

from __future__ import annotations

import torch
from torch import Tensor

# On a CPU as many images as stay in its caches; a GPU, where launching work takes the time, needs as long for
# five hundred. But networks learn in each chunk, and need some of them.
CPU_CHUNK, MAX_CHUNK, MIN_CHUNKS = 100, 500, 5
# Images of a class that a call of the utility sees, where there are as many: moments of fewer say little.
SEEN_OF_CLASS = 20


def default_chunk_size(num_images: int, device: torch.device) -> int:
    """How many of ``num_images`` images train together, unless settings say."""
    if device.type == "cpu":
        return CPU_CHUNK
    return min(MAX_CHUNK, max(CPU_CHUNK, num_images // MIN_CHUNKS))


def parts_of_classes(num_classes: int, ipc: int, images_in_call: int) -> int:
    """How many parts of the classes take turns, so that a call of the utility, which sees so many images,
    sees enough of each of its classes."""
    wanted = min(ipc, SEEN_OF_CLASS) * num_classes
    return max(1, min(-(-wanted // images_in_call), num_classes * ipc // images_in_call))


def chunk_of_image(groups: Tensor, chunk_size: int, parts: int = 1) -> Tensor:
    """The chunk of each image, int64 (N,).

    Args:
        groups: int64 (N,), the group of each image, ascending. The images are ordered by class.
        chunk_size: images of a chunk, at most.
        parts: of the images, one after another; each is divided into balanced chunks of its own.
    """
    if parts > 1:
        chunks, first = [], 0
        for part in groups.tensor_split(parts):
            chunks.append(chunk_of_image(part, chunk_size) + first)
            first = int(chunks[-1].max()) + 1
        return torch.cat(chunks)
    num_chunks = max(1, -(-groups.numel() // chunk_size))
    sizes = groups.unique_consecutive(return_counts=True)[1].tolist()
    place = torch.arange(groups.numel())
    if min(sizes) >= num_chunks:  # as many of each group in a chunk
        place = torch.cat([torch.arange(size) for size in sizes])
    return place % num_chunks
