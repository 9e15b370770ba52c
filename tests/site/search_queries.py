"""What readers ask the search, and the places that answer. Written before the search was tuned.

An answer is an anchor of the built book; the first hit has to be one of those listed. Entries that
the glossary got afterwards, and that answer, stand in `ADDED`.
"""

# The twelve of the review: five it found no answer to by name, and the kinds it speaks of.
REVIEW = {
    "Adam learning rate": (
        "chapters/optimization/adam.html#question-which-learning-rate",
        "chapters/optimization/adam.html#question-is-adam-insensitive-to-the-learning-rate",
        "chapters/optimization/adam.html#trial-adam-needs-no-tuning",
    ),
    "why divide by sqrt d": (
        "chapters/attention/scoring-functions.html#what-dividing-by-d-does",
        "chapters/attention/scoring-functions.html#does-a-dot-product-need-the-division",
        "chapters/attention/scoring-functions.html#trial-dot-products-need-the-division",
        "glossary.html#term-scaled-dot-product",
    ),
    "skip connection": (
        "glossary.html#term-residual-connection",
        "glossary.html#term-skip-connection",
        "chapters/cnn/resnet.html#add-the-input",
        "chapters/cnn/resnet.html#trial-networks-train-better-with-skip-connections",
    ),
    "softmax numerical stability": (
        "chapters/foundations/softmax-regression.html#why-is-the-loss-not-a-number",
        "chapters/foundations/softmax-regression.html#from-logits-to-probabilities",
    ),
    "He initialization": (
        "chapters/mlp/initialization.html#the-scale-layer-by-layer",
        "chapters/mlp/initialization.html#trial-xavier-stalls-where-he-converges",
        "chapters/mlp/initialization.html#initialisation",
    ),
    "KV cache": (
        "glossary.html#term-keyvalue-cache",
        "glossary.html#term-KV-cache",
        "chapters/attention/transformer.html#writing-with-a-keyvalue-cache",
    ),
    "pre-norm or post-norm": (
        "chapters/attention/transformer.html#the-idea",
        "chapters/attention/transformer.html#trial-skips-and-networks-stop-degeneration",
        "glossary.html#term-pre-norm",
        "glossary.html#term-post-norm",
    ),
    "batch normalization": (
        "glossary.html#term-batch-normalisation",
        "chapters/cnn/batch-normalization.html#batch-normalisation",
    ),
    "perplexity": ("glossary.html#term-perplexity",),
    "teacher forcing": ("glossary.html#term-teacher-forcing",),
    "receptive field": (
        "glossary.html#term-receptive-field",
        "chapters/cnn/convolution.html#what-a-unit-sees",
    ),
    "vanishing gradients": (
        "glossary.html#term-vanishing-gradient",
        "chapters/cnn/resnet.html#do-the-gradients-vanish",
        "chapters/cnn/resnet.html#trial-plain-networks-degrade-because-gradients-vanish",
    ),
}

# Twenty more: questions, abbreviations, other spellings, errors of typing, messages, names.
OURS = {
    "model.eval": (
        "chapters/cnn/batch-normalization.html#question-must-i-call-model-eval",
        "chapters/mlp/dropout.html#question-must-i-call-model-eval-inside-torch-inference-mode",
    ),
    "which optimizer should I use": (
        "chapters/optimization/adam.html#which-optimiser-is-better",
        "chapters/optimization/adam.html#question-which-one-should-i-take",
    ),
    "dropout before or after activation": (
        "chapters/mlp/dropout.html#question-before-or-after-the-activation",
    ),
    "why does pytorch accumulate gradients": (
        "chapters/foundations/autograd.html"
        "#question-why-does-pytorch-add-gradients-instead-of-replacing-them",
        "chapters/foundations/autograd.html#question-does-the-forward-pass-accumulate-gradients",
    ),
    "Glorot": (
        "chapters/mlp/initialization.html#the-scale-layer-by-layer",
        "chapters/mlp/initialization.html#does-xavier-stall",
        "chapters/mlp/initialization.html#trial-xavier-stalls-where-he-converges",
    ),
    "batchnorm vs layernorm": (
        "chapters/cnn/batch-normalization.html#question-batch-norm-or-layer-norm",
    ),
    "do transformers need warmup": (
        "chapters/attention/transformer.html#question-does-a-transformer-need-warm-up",
    ),
    "max or average pooling": (
        "chapters/cnn/lenet.html#max-or-average",
        "chapters/cnn/lenet.html#trial-max-pooling-works-better-than-average",
    ),
    "LSTM forget gate bias": (
        "chapters/sequences/lstm.html#is-a-forget-bias-needed",
        "chapters/sequences/lstm.html#trial-lstm-needs-a-forget-bias",
        "chapters/sequences/lstm.html#trial-forget-bias-closes-the-gap-to-the-gru",
    ),
    "derivative of relu at zero": (
        "chapters/foundations/autograd.html#question-what-is-the-derivative-of-relu-at-0",
    ),
    "softmax temperature": (
        "glossary.html#term-temperature",
        "chapters/foundations/softmax-regression.html#trial-one-temperature-calibrates",
    ),
    "No module named torch": (
        "troubleshooting.html#trouble-no-module-named-torch-select-kernel-vs-code",
    ),
    "LR warm up": (
        "glossary.html#term-warm-up",
        "chapters/optimization/gradient-descent.html#does-warm-up-pay",
        "chapters/optimization/gradient-descent.html#trial-warm-up-allows-better-rates",
    ),
    "attention mask true or false": (
        "chapters/attention/scoring-functions.html#question-does-true-in-a-mask-mean-look-or-ignore",
        "glossary.html#term-mask",
    ),
    "weight decay vs L2 penalty": (
        "chapters/optimization/adam.html#adamw-or-an-l-2-penalty",
        "chapters/optimization/adam.html#trial-adamw-generalises-better",
        "glossary.html#term-weight-decay",
    ),
    "initialising all weights to zero": (
        "chapters/mlp/initialization.html#question-why-not-start-everything-from-zero",
        "chapters/mlp/initialization.html#why-random",
    ),
    "how much memory does Adam need": (
        "chapters/optimization/adam.html#question-how-much-memory-does-it-take",
    ),
    "resudual connection": (
        "glossary.html#term-residual-connection",
        "glossary.html#term-skip-connection",
        "chapters/cnn/resnet.html#add-the-input",
        "chapters/cnn/resnet.html#trial-networks-train-better-with-skip-connections",
    ),
    "best_device": ("api.html#utils.device.best_device",),
    "sinusoidal positions on longer sequences": (
        "chapters/attention/self-attention.html#sinusoids-on-longer-texts",
        "chapters/attention/self-attention.html#trial-sinusoidal-positions-extrapolate",
    ),
}

# Names of chapters and parts, in short: the page itself comes first, or right after the definition.
NAMES = {
    "lstm": "chapters/sequences/lstm.html#long-short-term-memory",
    "cnn": "chapters/cnn/index.html#convolutional-networks",
    "MLP": "chapters/mlp/multilayer-perceptron.html#multilayer-perceptrons",
    "seq2seq": "chapters/sequences/seq2seq.html#sequence-to-sequence",
    "batch norm": "chapters/cnn/batch-normalization.html#batch-normalisation",
}

ADDED = {
    "softmax numerical stability": (
        "glossary.html#term-log-sum-exp",
        "glossary.html#term-log-softmax",
        # a chapter of that name, written later, which leads on to where the softmax is made stable
        "chapters/mlp/numerical-stability.html#numerical-stability",
    ),
    "He initialization": ("glossary.html#term-initialisation",),  # it says Xavier's, He's, LeCun's
    "weight decay vs L2 penalty": ("glossary.html#term-L2-penalty",),
}
