"""Trains a ConvNet-3 on labelled views of a .rud file with a label network: train_on_views.py FILE.rud SRC"""

import sys

import torch
from torch.nn import functional as F

import rudcodec
from rudcodec.data import load
from rudcodec.label_network import ViewStream
from rudcodec.nets import ConvNet
from rudcodec.nets.normalise import normalise
from rudcodec.students import optimizers_for, predict

data = rudcodec.load(sys.argv[1])
if data.network is None:
    sys.exit("the file has no label network")
recipe, (_, size, _, channels) = data.training_recipe(), data.images.shape
real = load(sys.argv[2], split="val", size=size)
temperature = data.network.temperature / 16

torch.manual_seed(0)
net = ConvNet(channels, len(data.classes), size)
optimizers = optimizers_for(net, recipe)
schedules = [torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.steps) for optimizer in optimizers]
for views, probs in ViewStream(data.images, data.network, batch=recipe.batch, batches=recipe.steps):
    net.zero_grad()
    logits = net(normalise(views, recipe.mean, recipe.std)) / temperature
    (F.cross_entropy(logits, probs) * temperature**2).backward()
    for optimizer, schedule in zip(optimizers, schedules, strict=True):
        optimizer.step()
        schedule.step()
print(f"accuracy {100 * (predict(net, real.images, recipe) == real.labels).mean():.1f} %")
