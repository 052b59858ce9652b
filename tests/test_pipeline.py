"""The pipeline as data: stages by name, run in parts, and branched off."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules

import pytest
from conftest import stripes
from golden_payloads import layer, random_payload

torch = pytest.importorskip("torch")

import rudcodec.distill  # noqa: E402
from rudcodec import BudgetError, FormatError, bitstream  # noqa: E402
from rudcodec.bitstream import limits  # noqa: E402
from rudcodec.distill import Settings  # noqa: E402
from rudcodec.distill.encoding import Encoding  # noqa: E402
from rudcodec.distill.expected_time import expected_seconds  # noqa: E402
from rudcodec.distill.inputs import Inputs, resolve_inputs  # noqa: E402
from rudcodec.distill.payload_builder import paid_part  # noqa: E402
from rudcodec.distill.pipeline import pipeline, run_pipeline, run_stages  # noqa: E402
from rudcodec.distill.schedules import PRETRAINING_STEPS  # noqa: E402
from rudcodec.payload import Architecture  # noqa: E402
from rudcodec.runs import Journal, RunContext, Stateful  # noqa: E402


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    settings = Settings(bpc=3000, ipc=3, labels="hard", utility="dm", warmup=4, joint=3, tune=2)
    return resolve_inputs(stripes(3), None, settings)


def test_no_two_stages_share_a_name(inputs: Inputs) -> None:
    names = [stage.name for stage in pipeline(inputs)]
    assert len(set(names)) == len(names)
    assert names.index("warm-up 2") < names.index("joint") < names.index("quantize 1")


@pytest.mark.slow
def test_an_encode_in_parts_makes_the_same_file(inputs: Inputs) -> None:
    encoding = Encoding(inputs, RunContext("cpu"))
    run_stages(encoding, "warm-up 2")
    assert list(encoding.results)[-1] == "warm-up 2"
    run_stages(encoding, "joint")
    assert list(encoding.results)[-1] == "joint"
    run_stages(encoding)
    whole, _ = run_pipeline(inputs, RunContext("cpu"))
    assert bitstream.encode(encoding.final_payload()) == bitstream.encode(whole)


@pytest.mark.slow
def test_an_encode_goes_on_from_the_state_of_another(inputs: Inputs) -> None:
    """As trials do: results, the encoder's state and the random generators' are all there is."""
    warm = Encoding(inputs, RunContext("cpu"))
    run_stages(warm, "warm-up 2")
    before = [level.clone() for level in warm.encoder.model.unrounded()]
    payloads = []
    for _ in range(2):
        encoding = Encoding(inputs, RunContext("cpu"))
        encoding.results |= warm.results
        encoding.encoder.restore(warm.encoder.state())
        encoding.run.restore(warm.run.state())
        run_stages(encoding)
        payloads.append(bitstream.encode(encoding.final_payload()))
    after = warm.encoder.model.unrounded()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    run_stages(warm)
    assert payloads == 2 * [bitstream.encode(warm.final_payload())]


def test_no_name_of_the_package_hides_a_module() -> None:
    for module in iter_modules(rudcodec.distill.__path__):
        found = import_module(f"rudcodec.distill.{module.name}")
        assert getattr(rudcodec.distill, module.name) is found


def test_there_is_no_such_stage(inputs: Inputs) -> None:
    with pytest.raises(ValueError, match="cool-down"):
        run_stages(Encoding(inputs, RunContext("cpu")), "cool-down")


class CountingJournal(Journal):
    """A journal whose loops take no step; ``counts``: how many they would take."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: list[int] = []

    def steps(self, count: int, loop: Stateful | None = None) -> Iterator[int]:
        self.counts.append(count)
        return iter(())


def test_a_safe_attempt_pretrains_for_as_many_steps_whatever_the_chunks() -> None:
    settings = Settings(bpc=3000, labels="hard", joint=0, chunk=2)
    inputs = resolve_inputs(None, stripes(1), settings)
    journal = CountingJournal()
    encoding = Encoding(inputs, RunContext("cpu", journal=journal))
    (pretraining,) = (stage for stage in pipeline(inputs) if stage.name == "pretraining 3")
    pretraining.run(encoding)
    (steps,), chunks = journal.counts, len(encoding.encoder.chunks)
    assert chunks > 3
    assert PRETRAINING_STEPS <= steps < PRETRAINING_STEPS + chunks


@pytest.mark.parametrize(
    "settings",
    [
        Settings(bpc=8000, ipc=2, labels="hard"),
        Settings(bpc=8000, ipc=2, labels="soft"),
        Settings(bpc=8000, ipc=2, labels="network"),
        Settings(lmbda=0.02, ipc=2),
    ],
    ids=["hard", "soft", "network", "lmbda"],
)
def test_what_is_expected_is_of_stages_that_there_are(settings: Settings) -> None:
    inputs = resolve_inputs(stripes(1), None, settings)
    expected = expected_seconds(inputs)
    names = [stage.name for stage in pipeline(inputs)]
    if inputs.settings.utility == "mm":
        names.insert(names.index("joint"), "moments")
    assert set(expected) <= set(names) and list(expected) == sorted(expected, key=names.index)
    assert all(seconds > 0 for seconds in expected.values())


def test_what_bytes_do_not_pay_for_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of images of next to no bytes may not be in one file, whose last segments are left out."""
    architecture = Architecture(4, 4, 1, (1,), (), (layer(1, 1, False),))
    payload = random_payload(architecture, ((1, 1), (2, 2), (90, 90)), seed=0, latents=0.0)
    assert paid_part(payload) is payload
    works = [limits.segment_work(architecture, images, 1, 2) for images in (2, 4, 180)]
    monkeypatch.setattr(limits, "WORK_PER_BYTE", 0)
    monkeypatch.setattr(limits, "WORK", limits.model_work(architecture, 1) + sum(works) - 1)
    with pytest.raises(FormatError, match="segment 2: asks for"):
        bitstream.encode(payload)
    with pytest.warns(RuntimeWarning, match="the file has 3 images per class, not 93"):
        part = paid_part(payload)
    assert part.segments == payload.segments[:2]
    assert bitstream.encoded_size(payload) > len(bitstream.encode(part))
    monkeypatch.setattr(limits, "WORK", limits.model_work(architecture, 1))
    with pytest.raises(BudgetError, match="fewer of them may"):
        paid_part(payload)
