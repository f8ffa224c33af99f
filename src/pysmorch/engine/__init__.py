"""Programs: a network made ready to run whole epochs."""

from pysmorch.engine import limits as limits
from pysmorch.engine.accumulation import train_in_pieces
from pysmorch.engine.dataset import Dataset, mean_one
from pysmorch.engine.extension import has_bf16
from pysmorch.engine.interrupts import ended_by_exit, without_interrupts
from pysmorch.engine.native import NativeProgram, step_memory
from pysmorch.engine.prediction import Predictor, evaluate
from pysmorch.engine.program import EpochsRun, NonFiniteError, Program, Shard, ShardingProgram, StepRates, Sums, Totals
from pysmorch.engine.reference import ReferenceProgram
from pysmorch.engine.select import Dtype, Engine, Precision, check_choice, make_program, unsupported_reason
from pysmorch.engine.shards import unsupported_shards
from pysmorch.engine.threads import check_threads, num_threads, set_num_threads, using_threads

__all__ = [
    "Dataset",
    "Dtype",
    "Engine",
    "EpochsRun",
    "NativeProgram",
    "NonFiniteError",
    "Precision",
    "Predictor",
    "Program",
    "ReferenceProgram",
    "Shard",
    "ShardingProgram",
    "StepRates",
    "Sums",
    "Totals",
    "check_choice",
    "check_threads",
    "ended_by_exit",
    "evaluate",
    "has_bf16",
    "make_program",
    "mean_one",
    "num_threads",
    "set_num_threads",
    "step_memory",
    "train_in_pieces",
    "unsupported_reason",
    "unsupported_shards",
    "using_threads",
    "without_interrupts",
]
