"""Trains a ConvNet-3 on labelled views of a .rud file with a label network: train_on_views.py FILE.rud SRC"""

import sys

import torch

import rudcodec
from rudcodec.label_network import ViewStream
from rudcodec.nets import ConvNet
from rudcodec.nets.normalise import normalise
from rudcodec.students import predict

data = rudcodec.load(sys.argv[1])
if data.network is None:
    sys.exit("the file has no label network")
recipe, (_, height, width, channels) = data.recipe, data.images.shape
real = data.real_images(sys.argv[2])

torch.manual_seed(0)
net = ConvNet(channels, len(data.classes), (height, width))
optimizer = recipe.make_optimizer(net)
for views, probs in ViewStream(data.images, data.network, batch=recipe.batch, batches=recipe.steps):
    net.zero_grad()
    data.loss(net(normalise(views, recipe.mean, recipe.std)), probs).backward()
    optimizer.step()
print(f"accuracy {100 * (predict(net, real.images, recipe) == real.labels).mean():.1f} %")
