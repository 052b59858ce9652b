"""One encode under way: what goes in, what its stages have returned, and what follows from that."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from rudcodec import bitstream
from rudcodec.data import LabelledImages
from rudcodec.distill.allocation import ImageAllocation
from rudcodec.distill.chunks import calls, chunk_of_image, default_chunk_size, turn_of_image
from rudcodec.distill.encoder_state import UNCODED_BITS, EncoderState
from rudcodec.distill.initial_model import MIN_STEP_SIZE, initial_model, lmbda_for_step_size
from rudcodec.distill.inputs import Inputs
from rudcodec.distill.payload_builder import LatentLevels, paid_part, with_latents
from rudcodec.distill.quantize_networks import Exponents, integer_groups
from rudcodec.distill.rate_control import RateControl
from rudcodec.distill.utility_term import UtilityTerm
from rudcodec.model.latents import SyntheticModel
from rudcodec.model.synthesis import GREY_LEVELS, to_synthesis_units
from rudcodec.payload import Model, Payload, Recipe, grouped_classes
from rudcodec.runs import RunContext, State, copied
from rudcodec.settings import NO_UTILITY
from rudcodec.utility import Utility
from rudcodec.utility.clusters import Clusters, cluster_of_each, clusters_per_class


class Encoding:
    """One encode under way.

    What follows from inputs and results is made when it is first asked for, so that a run that goes on makes
    only what it needs.

    Attributes:
        inputs: what goes in.
        run: device, generators, journal.
        results: what stages have returned, by their names.
    """

    def __init__(self, inputs: Inputs, run: RunContext) -> None:
        self.inputs = inputs
        self.run = run
        self.results: dict[str, State] = {}

    @cached_property
    def allocation(self) -> ImageAllocation:
        """How the budget is spent; once the label network, if there is one, is known, exactly."""
        return self.inputs.allocate(self.shared_label_bits)

    @cached_property
    def shared_label_bits(self) -> float:
        """Of the file's label network: as planned before it is trained, then exactly."""
        return self.inputs.label_mode.shared_bits(self.results)

    @cached_property
    def initial_images(self) -> LabelledImages:
        """The images that latents begin as, ordered by class."""
        if self.inputs.distilled is not None:
            return self.inputs.distilled
        return self.inputs.real.take(self.results["selection"]["rows"].numpy())

    @cached_property
    def encoder(self) -> EncoderState:
        """A first model of the initial images, and all that trains it."""
        allocation = self.allocation
        images = to_synthesis_units(torch.from_numpy(self.initial_images.images))
        bits = min(allocation.budget_bits - allocation.overhead_bits, UNCODED_BITS * images.numel())
        model, step_size = self._initial_model(images, bits)
        pixels = images.shape[0] * images.shape[2] * images.shape[3]
        device = self.run.device
        control = self._rate_control(bits / pixels, step_size)
        encoder = EncoderState(
            model.to(device),
            images.to(device),
            control,
            self.run,
            step_size=step_size,
            overhead_bits=allocation.overhead_bits,
            num_classes=self.inputs.num_classes,
            shared_label_bits=self.shared_label_bits,
        )
        self.run.journal.register("encoder", encoder)  # which restores it: nothing may be set after that
        return encoder

    def _initial_model(self, images: Tensor, bits: float) -> tuple[SyntheticModel, float]:
        """A model of images whose latents take about so many bits, and its step size."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.inputs.settings.seed)
            architecture = self.allocation.architecture
            return initial_model(images, self._group_of_image, architecture, bits, self._chunk_of_image)

    @cached_property
    def _class_of_image(self) -> Tensor:
        """Of all synthetic images, which are ordered by class: int64 (N,)."""
        return torch.arange(self.inputs.num_classes).repeat_interleave(self.allocation.ipc)

    @cached_property
    def _group_of_image(self) -> Tensor:
        """Whose networks decode each image, int64 (N,)."""
        classes = self._class_of_image
        return classes if self.inputs.settings.share == "class" else torch.zeros_like(classes)

    @cached_property
    def _cluster_of_image(self) -> Tensor:
        """The cluster of its class that each image is in, int64 (N,); a utility that matches whole classes
        sees as many images of a class together."""
        ipc = self.allocation.ipc
        return torch.from_numpy(cluster_of_each(ipc, clusters_per_class(ipc))).repeat(self.inputs.num_classes)

    @cached_property
    def turns(self) -> Tensor:
        """In which turn the utility sees each image, int64 (N,); all in one, where it compares classes."""
        if not self.has_utility or not self.inputs.new_utility().sums_over_classes:
            return torch.zeros_like(self._class_of_image)
        in_call = self.inputs.settings.utility_images
        return turn_of_image(self._class_of_image, self._cluster_of_image, in_call)

    @cached_property
    def _chunk_of_image(self) -> Tensor:
        settings = self.inputs.settings
        chunk_size = settings.chunk or default_chunk_size(len(self.turns), self.run.device)
        if self.has_utility:
            chunk_size = min(chunk_size, settings.utility_images)
        return chunk_of_image(self.turns, chunk_size)

    def reset_model(self, bits: float) -> None:
        """Begin with an initial model again, whose latents take about so many bits."""
        encoder = self.encoder
        images = to_synthesis_units(torch.from_numpy(self.initial_images.images))
        model, encoder.step_size = self._initial_model(images, max(bits, 1.0))
        encoder.model.load_state_dict(model.state_dict())
        encoder.targets = encoder.initial_images
        encoder.control.lmbda = lmbda_for_step_size(encoder.step_size, self.inputs.real.channels)
        encoder.control.rate = None

    def _rate_control(self, target: float, step_size: float) -> RateControl:
        lmbda, channels = self.inputs.settings.lmbda, self.inputs.real.channels
        if lmbda is not None:
            return RateControl(target, lmbda * GREY_LEVELS**2, fixed=True)
        max_lmbda = lmbda_for_step_size(MIN_STEP_SIZE, channels)
        return RateControl(target, lmbda_for_step_size(step_size, channels), max_lmbda=max_lmbda)

    def new_utility(self) -> Utility:
        """The utility, not yet prepared."""
        utility = self.inputs.new_utility()
        if (count := self.num_clusters) > 1:
            utility.clusters = Clusters(count, self.results["selection"]["clusters"].numpy())
        return utility

    @cached_property
    def num_clusters(self) -> int:
        """Of each class, that the utility matches; 1: classes are whole, or there is none."""
        if not self.has_utility:
            return 1
        return self.inputs.num_clusters(self.inputs.new_utility(), self.allocation.ipc)

    @cached_property
    def utility_term(self) -> UtilityTerm | None:
        """The prepared utility in the loss; None where there is none."""
        settings = self.inputs.settings
        if not self.has_utility:
            return None
        utility = self.new_utility()
        utility.prepare(self.inputs.real, self.run.device, self.results["utility networks"])
        labels = self.initial_images.labels
        if utility.clusters is not None:
            labels = utility.clusters.labels(labels, self._cluster_of_image.numpy())
        seen = calls(self._chunk_of_image, self.turns, settings.utility_images)
        term = UtilityTerm(utility, torch.from_numpy(labels).to(self.run.device), seen, settings.balance)
        self.run.journal.register("utility", term)
        return term

    @property
    def has_utility(self) -> bool:
        """Whether there is a joint phase."""
        return self.inputs.settings.utility != NO_UTILITY

    @cached_property
    def exponents(self) -> Exponents:
        """Of the integer networks, as they were last made; stages that make them anew assign them."""
        exponents: Exponents = self._latest("quantize ", "coarse images ")[1]["exponents"]
        return exponents

    @cached_property
    def labels(self) -> State:
        """Of the images, as they were last labelled: when networks were made integers, or in the end; stages
        that label them anew assign them."""
        stage, result = self._latest("quantize ", "coarse images ", "labels ")
        return result if stage.startswith("labels ") else result["labels"]

    def _latest(self, *makers: str) -> tuple[str, State]:
        """Name and result of the last finished stage whose name begins with one of ``makers``."""
        return [item for item in self.results.items() if item[0].startswith(makers)][-1]

    def snapshot(self) -> State:
        """The state of the encoder and of the utility, as :meth:`go_back` takes it."""
        term = self.utility_term
        return copied([self.encoder.state(), None if term is None else term.state()])

    def go_back(self, snapshot: State) -> None:
        """Go back to a snapshot."""
        encoder_state, term_state = copied(snapshot)
        self.encoder.restore(encoder_state)
        if self.utility_term is not None:
            self.utility_term.restore(term_state)

    def label_images(self) -> State:
        """Labels of the images as they are now."""
        payload = self.payload(self.encoder.latents())
        return self.inputs.label_mode.label(payload, self.results)

    def payload(self, latents: LatentLevels, labels: State = None) -> Payload:
        """What the bitstream writes of these latents, the integer networks and labels."""
        classes = self.inputs.real.classes
        groups = integer_groups(self.encoder.model, self.exponents)
        group_classes = grouped_classes(self.inputs.settings.share, len(classes))
        model = Model(self.encoder.model.architecture, groups, group_classes)
        metadata = dict(self.inputs.settings.metadata)
        payload = Payload(classes, (model,), (), self._student_recipe(), metadata=metadata)
        return self.inputs.label_mode.attach(with_latents(payload, latents), labels, self.results)

    def file_bytes(self, latents: LatentLevels, labels: State) -> int:
        """Exact size of the file of these latents, a label network apart."""
        return bitstream.encoded_size(self.payload(latents, labels))

    def final_payload(self) -> Payload:
        """What the finished encode has made."""
        payload = self.payload(self.encoder.latents(), self.labels)
        return paid_part(self.inputs.label_mode.finish(payload, self.results))

    def _student_recipe(self) -> Recipe:
        recipe = self.inputs.label_mode.student_recipe(self.encoder.model.count)
        if self.inputs.label_mode.for_views or not self.encoder.has_joint_images:  # none that it has made
            return recipe
        assert self.utility_term is not None
        return self.utility_term.utility.adapt_recipe(recipe)
