"""Trains torchvision's ResNet-18 on a .rud file of colour images: train_resnet18.py FILE.rud SRC"""

import sys

import torch
from torchvision.models import resnet18

import rudcodec

data = rudcodec.load(sys.argv[1])
optimizer = data.recipe.make_optimizer(net := resnet18(num_classes=len(data.classes)))
for images, targets in data.batches():
    optimizer.zero_grad()
    data.loss(net(images), targets).backward()
    optimizer.step()

real = data.real_images(sys.argv[2])
tests, labels = data.recipe.test_transform()(real.images), torch.from_numpy(real.labels)
with torch.no_grad():
    guess = torch.cat([net.eval()(part).argmax(1) for part in tests.split(500)])
print(f"accuracy {100 * (guess == labels).float().mean():.1f} % on {len(guess)} images")
