"""The book's diagrams in one look: networks, blocks, cells and data flows, drawn as figures.

Blue boxes have weights, orange ones are operations without; green ones with sharp corners are
numbers. ⊕ adds, ⊙ multiplies entry by entry; a skip connection is a vermilion line (a broken one
carries gradients back), a state handed to the next step a purple one. A cell draws one with
``residual_blocks()`` and ``plt.show()``;
``ALT["residual_blocks"]`` says what it shows, for the cell's metadata.
"""

from utils.diagrams.adaptive import adam_steps
from utils.diagrams.alexnet import lenet_and_alexnet
from utils.diagrams.alt import ALT
from utils.diagrams.attention import multi_head_attention, transformer_block
from utils.diagrams.augment import augmented_training
from utils.diagrams.axes import normalisation_axes
from utils.diagrams.bert import bert_heads, bert_input
from utils.diagrams.canvas import Diagram, Node
from utils.diagrams.convolutional import lenet, residual_blocks, resnet18
from utils.diagrams.decay import decay_routes
from utils.diagrams.dense import dropout_passes
from utils.diagrams.descent import descent_by_axes
from utils.diagrams.graph import backward_pass
from utils.diagrams.inception import googlenet, inception_block
from utils.diagrams.induction import induction_head
from utils.diagrams.language import language_models
from utils.diagrams.linear import linear_regression, softmax_classifier
from utils.diagrams.looking import looking_back
from utils.diagrams.lookup import attention_lookup, kernel_pooling
from utils.diagrams.losses import three_losses
from utils.diagrams.memory import sequence_models
from utils.diagrams.micro import mlpconv, network_in_network
from utils.diagrams.patches import vision_transformer
from utils.diagrams.paths import two_paths
from utils.diagrams.perceptron import mlp_passes, perceptron_rule
from utils.diagrams.pooling import pooling_windows
from utils.diagrams.precision import float_formats, jacobian_chain
from utils.diagrams.preparing import split_fit_transform
from utils.diagrams.recipe import training_recipe
from utils.diagrams.recurrent import (
    deep_and_bidirectional,
    encoder_decoder,
    gru_cell,
    lstm_cell,
    rnn_unrolled,
    truncated_chain,
)
from utils.diagrams.scales import signal_scale
from utils.diagrams.search import beam_tree
from utils.diagrams.shift import three_shifts
from utils.diagrams.sliding import convolution_step, sliding_convolution
from utils.diagrams.slopes import unit_slopes
from utils.diagrams.stacks import transformer

__all__ = [
    "ALT",
    "Diagram",
    "Node",
    "adam_steps",
    "attention_lookup",
    "augmented_training",
    "backward_pass",
    "beam_tree",
    "bert_heads",
    "bert_input",
    "convolution_step",
    "decay_routes",
    "deep_and_bidirectional",
    "descent_by_axes",
    "dropout_passes",
    "encoder_decoder",
    "float_formats",
    "gru_cell",
    "googlenet",
    "inception_block",
    "induction_head",
    "jacobian_chain",
    "kernel_pooling",
    "language_models",
    "lenet",
    "lenet_and_alexnet",
    "linear_regression",
    "looking_back",
    "lstm_cell",
    "mlp_passes",
    "mlpconv",
    "multi_head_attention",
    "perceptron_rule",
    "pooling_windows",
    "network_in_network",
    "normalisation_axes",
    "residual_blocks",
    "resnet18",
    "sequence_models",
    "rnn_unrolled",
    "signal_scale",
    "sliding_convolution",
    "softmax_classifier",
    "split_fit_transform",
    "three_losses",
    "three_shifts",
    "training_recipe",
    "transformer",
    "transformer_block",
    "truncated_chain",
    "two_paths",
    "unit_slopes",
    "vision_transformer",
]
