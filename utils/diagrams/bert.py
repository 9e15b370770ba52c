"""What goes into BERT, and what is asked of its outputs."""

from matplotlib.figure import Figure

from utils.diagrams.canvas import QUIET, SMALL, Diagram

LINEAR = ("layer", "Linear")
TOKENS = ("<cls>", "who", "<mask>", "<sep>", "me", "<sep>")  # "Who called?" "Me."
TARGETS = {2: "called", 4: "me"}  # chosen position → the word to predict there


def bert_input() -> Figure:
    """Draw how two short texts become BERT's input: three embeddings, added at each position.

    Returns:
        The figure.

    Example:
        >>> bert_input()
        >>> plt.show()
    """
    d = Diagram()
    pitch, first = 65, 113
    places = [first + pitch * i for i in range(len(TOKENS))]
    middle, width = (places[0] + places[-1]) / 2, pitch * len(TOKENS) - 3
    rows = {"token": TOKENS, "segment": tuple("AAAABB"), "position": tuple("012345")}
    for y, (label, entries) in zip((0, 66, 132), rows.items()):
        d.text(38, y, f"{label}\nembedding", size=SMALL)
        cells = [
            d.tensor(x, y, entry, width=62, size=SMALL, chosen=entry == "<mask>")
            for x, entry in zip(places, entries)
        ]
        if label != "token":
            for x in places:
                d.add(x, y - 33, small=True)
    norm = d.box(middle, 190, "LayerNorm", width=width)
    label = "Transformer encoder: every position\nattends to every other"
    encoder = d.box(middle, 297, label, width=width)
    for i, cell in enumerate(cells):
        entry = d.tensor(cell.x, 236, f"$\\mathbf{{x}}_{i}$", width=42)
        output = d.tensor(cell.x, 358, f"$\\mathbf{{h}}_{i}$", width=42)
        d.chain(cell, norm, entry, encoder, output)
    return d.figure()


def bert_heads() -> Figure:
    """Draw BERT's two heads: one for the words at chosen positions, one for the pair at <cls>.

    Of the chosen positions, one is hidden behind <mask>, another is left as it is; their loss
    counts, the other positions' does not.

    Returns:
        The figure.

    Example:
        >>> bert_heads()
        >>> plt.show()
    """
    d = Diagram()
    places = [75 * i for i in range(len(TOKENS))]
    encoder = d.box(187.5, 56, "embeddings and Transformer encoder", width=443)
    outputs = []
    for i, (x, token) in enumerate(zip(places, TOKENS)):
        word = d.tensor(x, 0, token, width=66, chosen=i in TARGETS)
        outputs.append(d.tensor(x, 114, f"$\\mathbf{{h}}_{i}$", width=42, chosen=i in TARGETS))
        d.chain(word, encoder, outputs[-1])

    pair = d.column(0, 174, [LINEAR, ("function", "tanh"), LINEAR], width=66)
    d.chain(outputs[0], pair[0])
    d.arrow(pair[-1], d.text(0, 346, "is B next?\nor, fine-tuned,\nany label", size=SMALL))

    words = 225  # halfway between the chosen positions
    first = d.box(words, 188, "Linear", width=180)
    rest = [("function", "GELU"), ("layer", "LayerNorm")]
    rest += [("layer", "Linear: its weights are\nthe token embedding"), ("function", "softmax")]
    nodes = d.column(words, 218, rest, width=180)
    d.arrow(first, nodes[0])
    for i, target in TARGETS.items():
        d.arrow(outputs[i], first)
        d.arrow(nodes[-1], d.text(places[i], 420, f"“{target}”", size=SMALL))
    d.text(376, 188, "no loss at the\nother positions", size=SMALL, color=QUIET)
    return d.figure()
