"""Trains a ResNet-18 on a .rud file of colour images with Lightning: train_lightning.py FILE.rud SRC"""

import sys

import lightning
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset
from torchvision.models import resnet18

import rudcodec

data = rudcodec.load(sys.argv[1])


class Student(lightning.LightningModule):
    """A ResNet-18 that is trained as the file's recipe says."""

    def __init__(self) -> None:
        super().__init__()
        self.net = resnet18(num_classes=len(data.classes))
        self.right: list[Tensor] = []

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        return data.loss(self.net(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return data.recipe.make_optimizer(self.net)

    def test_step(self, batch: tuple[Tensor, Tensor]) -> None:
        self.right.append(self.net(batch[0]).argmax(1) == batch[1])


student = Student()
trainer = lightning.Trainer(max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False)
trainer.fit(student, data.batches())

real = data.real_images(sys.argv[2])
tests = data.recipe.test_transform()(real.images)
trainer.test(student, DataLoader(TensorDataset(tests, torch.from_numpy(real.labels)), 500), verbose=False)
right = torch.cat(student.right)
print(f"accuracy {100 * right.float().mean():.1f} % on {len(right)} images")
