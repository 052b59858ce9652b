"""A small vision transformer (Dosovitskiy et al., ICLR 2021; mean pooling as in Beyer et al., 2022)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

WIDTH, LAYERS, HEADS = 192, 6, 3
PATCHES = 8  # along the shorter side


class ViT(nn.Module):
    """8 x 8 patches, or more along a longer side; six layers of width 192 with pre-norm; 2.7 M weights.

    Args:
        channels: of the input.
        classes: outputs.
        size: height and width in pixels.
    """

    def __init__(self, channels: int, classes: int, size: tuple[int, int]) -> None:
        super().__init__()
        patch = max(1, min(size) // PATCHES)
        tokens = (size[0] // patch) * (size[1] // patch)
        self.patches = nn.Conv2d(channels, WIDTH, patch, patch)
        self.position_embedding = nn.Parameter(torch.randn(tokens, WIDTH) * 0.02)
        layers = [
            nn.TransformerEncoderLayer(
                WIDTH, HEADS, 4 * WIDTH, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(LAYERS)
        ]
        self.layers = nn.Sequential(*layers)
        self.norm = nn.LayerNorm(WIDTH)
        self.classifier = nn.Linear(WIDTH, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, classes) for normalised images (N, C, H, W)."""
        tokens = self.patches(x).flatten(2).transpose(1, 2) + self.position_embedding
        return self.classifier(self.norm(self.layers(tokens)).mean(1))
