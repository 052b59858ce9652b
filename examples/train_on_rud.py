"""Trains a ConvNet-3 on a .rud file in plain torch, tests it on real images: train_on_rud.py FILE.rud SRC"""

import sys

import torch
from torch import nn
from torch.nn import functional as F

import rudcodec

data = rudcodec.load(sys.argv[1])
recipe, (_, height, width, channels) = data.recipe, data.images.shape
real = data.real_images(sys.argv[2])  # in its size and with its class numbers
mean, std = torch.tensor(recipe.mean), torch.tensor(recipe.std)  # in grey levels
images, tests = (((torch.from_numpy(s.images) - mean) / std).permute(0, 3, 1, 2) for s in (data, real))
labels, answers = torch.from_numpy(data.labels), torch.from_numpy(real.labels)

torch.manual_seed(0)
layers: list[nn.Module] = []
for inputs in (channels, 128, 128):
    layers += [nn.Conv2d(inputs, 128, 3, padding=1), nn.GroupNorm(128, 128), nn.ReLU(), nn.AvgPool2d(2)]
net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * (height // 8) * (width // 8), len(data.classes)))
optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.05)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.steps)
pad = min(height, width) // 8  # random shifts by up to an eighth
for _ in range(recipe.steps):
    pick = torch.randint(len(images), (recipe.batch,))
    dy, dx = torch.randint(0, 2 * pad + 1, (2,)).tolist()
    batch = F.pad(images[pick], (pad, pad, pad, pad))[:, :, dy : dy + height, dx : dx + width]
    batch = batch.flip(3) if "flip" in recipe.augment and torch.rand(()) < 0.5 else batch
    optimizer.zero_grad()
    F.cross_entropy(net(batch), labels[pick]).backward()
    optimizer.step()
    schedule.step()
with torch.no_grad():
    guess = torch.cat([net(part).argmax(1) for part in tests.split(500)])
print(f"accuracy {100 * (guess == answers).float().mean():.1f} % on {len(guess)} images")
