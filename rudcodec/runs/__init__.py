"""Long runs that survive: checkpoints, the journal that goes on from them, processes that share the work."""

from rudcodec.runs.checkpoints import CheckpointFolder, State, restore_optimizer
from rudcodec.runs.journal import Journal, check_same
from rudcodec.runs.ranks import Ranks, joined_ranks

__all__ = ["CheckpointFolder", "Journal", "Ranks", "State", "check_same", "joined_ranks", "restore_optimizer"]
