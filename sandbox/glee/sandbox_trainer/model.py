"""The network: object features -> backbone -> transformer -> a class and a box.

Three small layers in the place of GLEE's hundreds. As in GLEE the backbone differs from variant to variant, so a
checkpoint of Lite fits Plus in part only. Parameters live in one flat list of floats, which is what the ranks send to
each other and what the optimizer works on; a layer is a view of it.
"""

import math
from operator import mul

from .catalog import CATEGORIES, FEATURES
from .draws import Draws
from .torch_file import Tensor

HIDDEN = 24
BOX = 4

# MODEL.BACKBONE.NAME -> the backbone's parameter, its width, and the config node that names its pretrained weights.
_BACKBONES = {
    "build_resnet_backbone": ("glee.backbone.stem.conv1", 16, None),
    "D2SwinTransformer": ("glee.backbone.patch_embed.proj", 20, "SWIN"),
    "D2_EVA02": ("glee.backbone.net.patch_embed.proj", 24, "EVA02"),
}
_HEAD = "glee.predictor."


class Model:
    """Parameters by name, in one flat list, with the loss and its gradient."""

    def __init__(self, backbone="build_resnet_backbone", seed=0):
        if backbone not in _BACKBONES:
            raise KeyError(f"No object named '{backbone}' found in 'BACKBONE' registry!")
        name, width, self.pretrained_node = _BACKBONES[backbone]
        self.layers = [
            (name, width, FEATURES),
            (_HEAD + "input_proj", HIDDEN, width),
            (_HEAD + "class_embed", CATEGORIES, HIDDEN),
            (_HEAD + "bbox_embed", BOX, HIDDEN),
        ]
        self.values = []
        self.spans = {}  # name -> (begin, end, shape)
        for layer, rows, columns in self.layers:
            scale = 1.0 / math.sqrt(columns)
            weights = Draws("initial", layer, seed).matrix(rows, columns, scale)
            self._add(layer + ".weight", [value for row in weights for value in row], (rows, columns))
            self._add(layer + ".bias", [0.0] * rows, (rows,))

    def _add(self, name, values, shape):
        self.spans[name] = (len(self.values), len(self.values) + len(values), shape)
        self.values.extend(values)

    def state_dict(self):
        return {name: Tensor.of(shape, self.values[begin:end]) for name, (begin, end, shape) in self.spans.items()}

    def load_state_dict(self, state):
        """torch's with strict=False: loads what is there, and returns the names that are missing and unexpected."""
        for name, tensor in state.items():
            if name in self.spans:
                begin, end, shape = self.spans[name]
                if tensor.shape != shape:
                    raise RuntimeError(f"size mismatch for {name}: {tensor.shape} in the checkpoint, {shape} here")
                self.values[begin:end] = tensor.values()
        return [name for name in self.spans if name not in state], [name for name in state if name not in self.spans]

    def predict(self, features):
        """Class probabilities and the box of one object."""
        _, _, probabilities, _, box = _forward(self._weights(), features)
        return probabilities, box

    def loss_and_gradient(self, objects):
        """Mean loss_ce and loss_bbox over (features, class, box) objects, and the gradient of their sum."""
        weights = self._weights()
        # Gradients in the layers' own shape, a list a row, with the bias as one more list.
        gradients = [([[0.0] * columns for _ in range(rows)], [0.0] * rows) for _, rows, columns in self.layers]
        columns_of = [list(zip(*rows)) for rows, _ in weights]
        share = 1.0 / len(objects)
        loss_class = loss_box = 0.0
        for features, label, box in objects:
            first, second, probabilities, log_sum, predicted = _forward(weights, features)
            loss_class += log_sum(label)
            off = [there - here for there, here in zip(predicted, box)]
            loss_box += 5.0 * sum(map(mul, off, off))

            d_class = [value * share for value in probabilities]
            d_class[label] -= share
            d_box = [10.0 * share * value for value in off]
            d_second = [
                (sum(map(mul, by_class, d_class)) + sum(map(mul, by_box, d_box))) * (1.0 - value * value)
                for by_class, by_box, value in zip(columns_of[2], columns_of[3], second)
            ]
            d_first = [
                sum(map(mul, column, d_second)) * (1.0 - value * value) for column, value in zip(columns_of[1], first)
            ]
            _accumulate(gradients[0], d_first, features)
            _accumulate(gradients[1], d_second, first)
            _accumulate(gradients[2], d_class, second)
            _accumulate(gradients[3], d_box, second)
        flat = [value for rows, bias in gradients for row in (*rows, bias) for value in row]
        return loss_class * share, loss_box * share, flat

    def _weights(self):
        """Each layer's rows and bias, as lists cut from the flat one."""
        views = []
        for layer, rows, columns in self.layers:
            begin, end, _ = self.spans[layer + ".weight"]
            bias = self.spans[layer + ".bias"]
            views.append(
                (
                    [self.values[at : at + columns] for at in range(begin, end, columns)],
                    self.values[bias[0] : bias[1]],
                )
            )
        return views


def _forward(weights, features):
    """Both hidden layers, the class probabilities, the loss of a label, and the box."""
    first = [math.tanh(value) for value in _linear(weights[0], features)]
    second = [math.tanh(value) for value in _linear(weights[1], first)]
    logits = _linear(weights[2], second)
    highest = max(logits)
    powers = [math.exp(value - highest) for value in logits]
    total = sum(powers)
    probabilities = [power / total for power in powers]

    def loss_of(label):
        return math.log(total) + highest - logits[label]

    return first, second, probabilities, loss_of, _linear(weights[3], second)


def _linear(layer, inputs):
    rows, bias = layer
    return [offset + sum(map(mul, row, inputs)) for row, offset in zip(rows, bias)]


def _accumulate(gradient, deltas, inputs):
    """Adds the outer product of deltas and inputs to the weights' gradient, and deltas to the bias's."""
    rows, bias = gradient
    for index, delta in enumerate(deltas):
        rows[index] = [value + delta * item for value, item in zip(rows[index], inputs)]
        bias[index] += delta
