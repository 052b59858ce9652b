"""Trains one of timm's networks on a .rud file by its recipe: train_timm.py FILE.rud SRC [NETWORK]"""

import sys

import timm
import torch

import rudcodec

data = rudcodec.load(sys.argv[1])
name, channels = (sys.argv[3:] or ["resnet18"])[0], data.images.shape[3]
net = timm.create_model(name, num_classes=len(data.classes), in_chans=channels)
optimizer = data.recipe.make_optimizer(net)
for images, targets in data.batches():
    optimizer.zero_grad()
    data.loss(net(images), targets).backward()
    optimizer.step()

real = data.real_images(sys.argv[2])
tests, labels = data.recipe.test_transform()(real.images), torch.from_numpy(real.labels)
with torch.no_grad():
    guess = torch.cat([net.eval()(part).argmax(1) for part in tests.split(500)])
print(f"accuracy {100 * (guess == labels).float().mean():.1f} % on {len(guess)} images")
