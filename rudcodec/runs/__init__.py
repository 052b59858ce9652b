"""Long runs that survive: checkpoints, the journal that goes on from them, processes that share the work."""

from rudcodec.run_files import CHECKPOINT_SECONDS
from rudcodec.runs.checkpoints import CheckpointFolder, State, clear_folder, copied, restore_optimizer
from rudcodec.runs.context import RunContext
from rudcodec.runs.journal import Journal, Stateful, check_same, software
from rudcodec.runs.learnt import Learnt
from rudcodec.runs.ranks import Ranks, joined_ranks
from rudcodec.runs.reports import ProgressReport, Reporter, RunClock, StageReport, ignore_report
from rudcodec.runs.stage import Stage

__all__ = [
    "CHECKPOINT_SECONDS",
    "CheckpointFolder",
    "Journal",
    "Learnt",
    "ProgressReport",
    "Ranks",
    "Reporter",
    "RunClock",
    "RunContext",
    "Stage",
    "StageReport",
    "State",
    "Stateful",
    "check_same",
    "clear_folder",
    "copied",
    "ignore_report",
    "joined_ranks",
    "restore_optimizer",
    "software",
]
