"""Long runs that survive: checkpoints, and the journal that goes on from them."""

from rudcodec.runs.checkpoints import CheckpointFolder, State, restore_optimizer
from rudcodec.runs.journal import Journal

__all__ = ["CheckpointFolder", "Journal", "State", "restore_optimizer"]
