"""What each diagram shows, for those who cannot see it: ready for a cell's ``image.alt``."""

ALT = {
    "residual_blocks": (
        "Four blocks from top to bottom. Plain: convolution, batch norm, ReLU, convolution, batch"
        " norm, ReLU. Residual, post-activation: the same, but a skip connection leads from the"
        " input around both convolutions to a sum before the last ReLU. Pre-activation: batch norm,"
        " ReLU, convolution, twice, then the sum, with nothing after it. Bottleneck: a 1×1"
        " convolution from 256 to 64 channels, a 3×3 convolution on 64 and a 1×1 convolution back"
        " to 256, each with batch norm, then the sum and a ReLU."
    ),
    "resnet18": (
        "Left, ResNet-18 from top to bottom. An image of 3×224×224 passes a 7×7 convolution with"
        " stride 2, batch norm and ReLU to 64×112×112, a max pooling to 64×56×56, then four stages"
        " of two blocks: 64×56×56, 128×28×28, 256×14×14, 512×7×7; then the mean of each map gives"
        " 512 numbers, and a linear layer 1000 logits. Right, the first block of the second stage:"
        " a 3×3 convolution with stride 2 from 64 to 128 channels, batch norm, ReLU, a 3×3"
        " convolution, batch norm, and a sum with the input, which passes a 1×1 convolution with"
        " stride 2 and a batch norm on its way; then a ReLU gives 128×28×28."
    ),
    "backward_pass": (
        "A graph of five boxes, twice. Forward, left to right: a = 2 and b = 3 feed a product p = 6"
        " and a sum s = 5, and those feed L = ps = 30. Backward, right to left along the same"
        " edges: L sends 1·5 to p and 1·6 to s; p sends 5·3 to a and 5·2 to b; s sends 6·1 to each."
        " So the gradient at a is 15 + 6 = 21 and at b 10 + 6 = 16."
    ),
    "linear_regression": (
        "From top to bottom: the features 2 and −1 pass a layer with the weights 0.5 and 1 and the"
        " bias 3, which gives the prediction 3. Its squared error from the target 1 is a loss of"
        " 4. Dashed arrows go back: twice the residual, 4, to the prediction, and the gradient, 8"
        " and −4 for the weights and 4 for the bias, to the layer."
    ),
    "softmax_classifier": (
        "From top to bottom: an image of 784 pixels passes a Linear layer with W and b, which gives"
        " three logits, 0.3, 2.9 and 4. A softmax turns them into the probabilities 0.02, 0.25 and"
        " 0.74. The cross-entropy with the one-hot label 0, 1, 0 is a loss of 1.41. A dashed arrow"
        " brings the gradient back to the logits: 0.02, −0.75 and 0.74."
    ),
    "three_losses": (
        "The logits 2, 1 and −1, with the one-hot target 0, 1, 0, go into three losses. The squared"
        " error is 2.5, and its gradient 2, 0, −1. The cross-entropy is 1.35, and its gradient"
        " 0.71, −0.74, 0.04. The hinge loss is 2, and its gradient 1, −1, 0."
    ),
    "perceptron_rule": (
        "One unit twice. Before: the inputs 2 and 1 and the constant 1, with the weights 1, −4 and"
        " 1, sum to z = −1; the step answers −1, but the label is 1. Label times inputs, (2, 1, 1),"
        " is added to the weights. After the update: the weights are 3, −3 and 2, z is 5, and the"
        " step answers 1, which is right."
    ),
    "three_shifts": (
        "Three rows, each with an arrow from a distribution to what follows from it. Covariate"
        " shift: p(x), which changes, leads to y by p(y given x), which stays. Label shift: p(y),"
        " which changes, leads to x by p(x given y), which stays. Concept shift: p(x), which stays,"
        " leads to y by a broken arrow, p(y given x), which changes."
    ),
    "augmented_training": (
        "Two columns. Training: an image x passes a change T, drawn anew each time, which gives Tx;"
        " the network takes Tx, and its answer goes into the loss. The label y goes into the loss"
        " directly: it stays. Testing: a test image passes the network, without a change, and gives"
        " a prediction."
    ),
    "split_fit_transform": (
        "From top to bottom: all rows are split into a training part and a test part. The"
        " preparation is fitted on the training part; its mean, scale and axes go to two"
        " transforms, one for each part. The model is fitted on the transformed training part,"
        " predicts on the transformed test part, and is scored. Three broken lines are leaks: 1,"
        " from all rows to the fit of the preparation; 2, from the test part to the training part;"
        " 3, from the score back to the model."
    ),
    "mlp_passes": (
        "A network twice. Forward: the inputs 1 and 2 lead to two hidden units, with weights 1 and"
        " 1 to the first, 2 and −1 to the second, biases −1; pre-activations are 2 and −1,"
        " activations 2 and 0. With weights 2 and 3 and bias −1 the output is 3; for the target 1"
        " the loss is 2. Backward: the gradient is 2 at the output, 4 and 6 at the activations, 4"
        " and 0 at the pre-activations, as the second unit is off. At the output weights it is 4"
        " and 0, at the weights into the first unit 4 and 8, into the second 0; at both inputs 4."
    ),
    "dropout_passes": (
        "The same network twice. In training two of its four hidden units are crossed out, with all"
        " their connections; below, the outputs 1, 3, 2, 4 times a mask of 2, 0, 2, 0 give 2, 0, 4,"
        " 0. In evaluation all units are there, and the outputs 1, 3, 2, 4 stay unchanged."
    ),
    "signal_scale": (
        "Three times two layers, each of weights W and a ReLU, with mean squares; n is the fan-in,"
        " v the variance. With nv = 1/3, PyTorch's default, the signal goes from 1 to 1/3, 1/6,"
        " 1/18 and 1/36, and the gradient back from 1 to 1/6 and 1/36. With nv = 1, LeCun's, the"
        " signal goes from 1 to 1, 1/2, 1/2 and 1/4, the gradient back from 1 to 1/2 and 1/4. With"
        " nv = 2, He's, the signal goes from 1 to 2, 1, 2 and 1, and the gradient stays at 1."
    ),
    "normalisation_axes": (
        "Four tables of 4 examples by 6 channels; a cell holds all positions of a channel. Outlined"
        " is what shares a mean and a variance. Batch norm: a column, one channel of all examples."
        " Layer norm: a row, all channels of one example. Instance norm: a single cell. Group norm:"
        " the first three of the six cells of a row."
    ),
    "two_paths": (
        "A computational graph. Inputs x1 = 2 and x2 = 3 lead to h1 = x1 x2 = 6 and to h2 = x1 + x2"
        " = 5, and these to L = h1 h2 = 30. The arrows carry local derivatives: from x1 to h1 3 and"
        " to h2 1, from x2 to h1 2 and to h2 1, from h1 to L 5, from h2 to L 6. The two paths from"
        " x1 to L are highlighted."
    ),
    "adam_steps": (
        "Two steps of Adam from top to bottom, with decay rates one half and three quarters. Step"
        " 1: the gradient 4 gives the averages m = 2 and v = 4; divided by one half and one quarter"
        " they are 4 and 16, and the ratio of 4 to the root of 16 is 1. Step 2: the gradient −4 and"
        " the old averages give m = −1 and v = 7; divided by three quarters and 7/16 they are −4/3"
        " and 16, and the ratio is −1/3."
    ),
    "training_recipe": (
        "Six checks below each other, each with an arrow to what it exposes. 1. Look at a batch:"
        " labels beside other images. 2. Loss before the first step: inputs too large. 3. Overfit"
        " one batch: a wrong update. 4. Update divided by weight, by layer: a layer that does not"
        " learn. 5. Range test: a rate too small or too large. 6. Curves, then a search: a"
        " schedule, other hyper-parameters."
    ),
    "decay_routes": (
        "One step twice, for a weight of 4 with the gradient 6. Penalty in the loss: 0.5 · 4 is"
        " added to the gradient, which makes 8; it is divided by the size of recent gradients, 4,"
        " and multiplied by the rate 0.1, and the step −0.2 takes the weight to 3.80. Decay of the"
        " weight: the gradient 6 alone is divided by 4 and multiplied by 0.1; the weight is"
        " multiplied by 1 − 0.1 · 0.5, which makes 3.8, and the step −0.15 takes it to 3.65."
    ),
    "descent_by_axes": (
        "The error (3, 1) splits into 2 times (1, 1) along the steep axis, whose curvature is 4,"
        " and 1 times (1, −1) along the flat axis, whose curvature is 1. One step with the learning"
        " rate 0.4 multiplies the first part by 1 − 0.4 · 4 = −0.6 and the second by"
        " 1 − 0.4 · 1 = 0.6. Added up again, the new error is (−0.6, −1.8)."
    ),
    "bert_input": (
        "Six positions: <cls> who <mask> <sep> me <sep>. At each, the embeddings of the token, of"
        " the segment (A for the first four, B for the last two) and of the position (0 to 5) are"
        " added, normalised, and fed to a Transformer encoder in which every position attends to"
        " every other; it returns one vector a position."
    ),
    "bert_heads": (
        "The encoder's output at <cls> goes through Linear, tanh and Linear to the question whether"
        " B is next, or to any label when fine-tuned. The outputs at the two chosen positions, one"
        " masked and one left as it was, go through Linear, GELU, LayerNorm, a Linear layer with"
        " the token embedding's weights and a softmax to the words called and me. The other"
        " positions have no loss."
    ),
    "sliding_convolution": (
        "A 3×3 window moves in steps of two over two channels of 5×5 numbers with a border of"
        " zeros. At each of nine places it is multiplied entry by entry with the kernel of each"
        " channel; the two sums are added and fill one cell of a 3×3 output."
    ),
    "convolution_step": (
        "A 3×3 window lies on the same place of two channels of 5×5 numbers with a border of zeros."
        " It is multiplied entry by entry with the kernel of each channel; the two sums are added"
        " and fill one cell of a 3×3 output."
    ),
    "mlpconv": (
        "Two rows. Above, a convolution: in a 5×5 part of a map a 3×3 window is marked; a 3×3"
        " convolution with ReLU makes one position of it. Below, an mlpconv layer: the same window"
        " passes a 3×3 convolution, a 1×1 convolution and a 1×1 convolution, each with ReLU, and"
        " again becomes one position."
    ),
    "network_in_network": (
        "Two columns. AlexNet: an image of 1×224×224, an 11×11 convolution with stride 4, max"
        " pooling, a 5×5 convolution, max pooling, three 3×3 convolutions, max pooling to 256×5×5,"
        " Flatten, three Linear layers, 10 logits. Network in network: the same image, an 11×11"
        " convolution with stride 4 and two 1×1 convolutions, max pooling, a 5×5 and two 1×1, max"
        " pooling, a 3×3 and two 1×1, max pooling to 384×5×5, a 3×3 and two 1×1 to 10×5×5, the mean"
        " of each map, 10 logits."
    ),
    "pooling_windows": (
        "A 4×4 map with rows 1 5 3 0, 2 4 0 1, 0 6 7 2 and 1 1 3 4, cut into four cells of 2×2, the"
        " first marked. A stride of 2 keeps 1, 3, 0, 7; the maximum 5, 3, 6, 7; the average 3, 1,"
        " 2, 4; the global average 2.5. Below, the map moved right by one, its last column now the"
        " first: the stride keeps 0, 5, 2, 6; the maximum 2, 5, 4, 7; the average 1, 3, 1.75, 4.25;"
        " the global average is still 2.5."
    ),
    "lenet": (
        "LeNet in four rows. A 1×28×28 picture passes a 5×5 convolution with padding 2, a ReLU and"
        " 2×2 max pooling: 6×28×28, then 6×14×14. A 5×5 convolution, a ReLU and pooling: 16×10×10,"
        " then 16×5×5. Flattened to 400 numbers, Linear layers with ReLUs between make them 120, 84"
        " and 10 logits."
    ),
    "lenet_and_alexnet": (
        "The tensors of two networks as boxes, drawn to one scale: maps are as high as they have"
        " pixels and as wide as they have channels. LeNet's are specks: 1×28×28, 6×28×28, 6×14×14,"
        " 16×10×10, 16×5×5, then 120, 84 and 10 numbers. AlexNet's image of 3×227×227 towers above"
        " them; its maps get lower and wider, 96×55×55, 96×27×27, 256×27×27, 256×13×13, twice"
        " 384×13×13, 256×13×13 and 256×6×6, then 4096, 4096 and 1000 numbers. AlexNet's maps are"
        " cut into an upper and a lower group, which only see themselves, except that the third"
        " convolution and the dense layers see both."
    ),
    "truncated_chain": (
        "An RNN unrolled over six steps, in two windows of three. Each step takes its input and the"
        " state before, hands its state to the next, and through a Linear layer gives a loss. The"
        " line of the state runs through both windows. Broken lines, the gradients, run back within"
        " each window only: between the windows the state is detached."
    ),
    "gru_cell": (
        "One step of a GRU. Along the top the previous state is multiplied by the update gate z,"
        " then 1 minus z times the candidate n is added: the new state. r and z, with a sigmoid,"
        " each see the input and the previous state. A Linear layer of the previous state, times"
        " the reset gate r, reaches a tanh together with the input: the candidate n."
    ),
    "lstm_cell": (
        "One step of an LSTM. The previous hidden state and the input reach four boxes: i, f and o"
        " with a sigmoid, g with tanh. Along the top the previous cell state is multiplied by f,"
        " then i times g is added: the new cell state. Its tanh times o is the new hidden state."
    ),
    "rnn_unrolled": (
        "Left: the input passes a layer with tanh and then a Linear layer, which gives logits; the"
        " output of the tanh layer runs back into it in a loop marked with the matrix W_h. Right,"
        " after an equals sign, the same two layers once for every step from 1 to T: each takes its"
        " own input and the state before it, gives logits, and hands its state to the next step."
    ),
    "deep_and_bidirectional": (
        "Left, a stack: layer 1 reads the inputs of three steps and hands its state from step to"
        " step; layer 2 reads the states of layer 1 and has a state of its own. Right, a"
        " bidirectional layer: each input goes to a box whose state runs to the right and to a box"
        " whose state runs to the left; the states of both boxes together are the output."
    ),
    "encoder_decoder": (
        "Left, the encoder: two, hundred and <eos> are embedded and read by a GRU, step by step."
        " Its last state is handed to a decoder, a GRU that through a Linear layer writes deux,"
        " cents, <eos>. The decoder is drawn twice. In training its inputs are <bos> and the true"
        " words deux and cents; in use they are <bos> and its own words, led back by grey lines."
    ),
    "beam_tree": (
        "A tree from left to right. From <bos>, a with probability 0.6 and b with 0.4; both are"
        " kept. From a, <eos> with 0.28 and a, b and c with 0.24 each: a <eos> has 0.17, the others"
        " 0.14. From b, <eos> with 0.9 and c with 0.1: b <eos> has 0.36, b c has 0.04. Of the six,"
        " a beam of 2 keeps b <eos> and a <eos>."
    ),
    "looking_back": (
        "One step of a decoder. Below, an encoder, a GRU, has read a, white, house; its three"
        " states e1, e2 and e3 are kept. A box computes scores and their softmax from these states"
        " and from the query, the decoder's state before the step: the weights are 0.1, 0.8 and"
        " 0.1. The states, times the weights and summed, are the context. It is joined with the"
        " embedding of the word written last, maison, and enters the decoder's GRU, which makes a"
        " new state of the one before; a Linear layer reads the next word, blanche, off this state"
        " and the context, which reaches it around the GRU."
    ),
    "kernel_pooling": (
        "The query 30 meets three keys: 30, 26 and 38. Minus the squared distance over twice the"
        " square of the width, which is 4, gives the scores 0, −0.5 and −2. A softmax makes them"
        " the weights 0.57, 0.35 and 0.08. The values 200, 120 and 280, times these weights and"
        " summed, are the output, 178.4."
    ),
    "attention_lookup": (
        "The query 1, 1, 1, 1 meets three keys: 1, 1, 1, 1; 1, 1, 0, 0; and 1, −1, 1, −1. Dot"
        " products over the root of d give the scores 2, 1 and 0. A softmax makes them the weights"
        " 0.67, 0.24 and 0.09. The values 10, 20 and 30, times these weights and summed, are the"
        " output, 14.2."
    ),
    "induction_head": (
        "Five tokens below: k3, v5, k1, v2, k3. Arrows go from each to the row of the next one"
        " above it, which then says: v5 after k3, k1 after v5, v2 after k1, k3 after v2. From"
        " the row v5 after k3 a thick arrow goes on, up to the last place, where k3 asks: the"
        " output there is v5."
    ),
    "multi_head_attention": (
        "Queries, keys and values, each n by d, pass a projection each and are split into h heads"
        " of d/h features. In each head: queries times keys over the square root of d/h give n by n"
        " scores, a causal mask strikes out later positions, a softmax makes weights, and weights"
        " times values give n by d/h. The heads are concatenated to n by d and projected to the"
        " output."
    ),
    "transformer": (
        "Left, the encoder: m source tokens pass an embedding with positions and N blocks of"
        " self-attention and a position-wise network, and become the memory, m by d. Right, the"
        " decoder: n target tokens pass an embedding with positions and N blocks of causal"
        " self-attention, cross-attention, which an arrow from the memory enters, and a"
        " position-wise network; a linear layer makes n rows of logits."
    ),
    "transformer_block": (
        "A Transformer block twice. Post-norm: self-attention, the sum with the skip connection,"
        " norm; then linear, ReLU, linear, sum, norm. Pre-norm: norm, self-attention, sum; then"
        " norm, linear, ReLU, linear, sum: its skip connections pass no norm."
    ),
    "language_models": (
        "Two models of the character after t, r, u. Left, an n-gram of order 4: the context is"
        " looked up as a whole, in a table of how often s, t, e and c followed: 41, 35, 28 and 24"
        " times; smoothing turns the counts into probabilities. Right, an MLP: each of the three"
        " characters passes the same table C of embeddings; the three embeddings are concatenated"
        " to 3m numbers, which pass a hidden layer W, b with tanh, an output layer U, c with V"
        " logits, and a softmax."
    ),
    "sequence_models": (
        "Three rows. Markov, order 2: of four values in a row, the two before the last stand in a"
        " frame, from which a box f leads to the last, at step t. Latent autoregressive: a chain of"
        " boxes g, from each a purple line, the state h, to the next; each box takes the value of"
        " the step before from below and leads to the value of its own step above. Hidden Markov: a"
        " chain of states h, each with an arrow to the next and one down to the value x of its"
        " step; no arrow leads from a value to a state."
    ),
    "vision_transformer": (
        "A vision transformer from top to bottom. An image of 28×28 is cut into 4 by 4 patches,"
        " numbered row by row from 1 to 16, of 49 pixels each. The same linear layer turns each"
        " patch into a row of features. Before them stands a learned class token. A position is"
        " added to each of the 17 rows, and all pass a Transformer encoder. The row of the class"
        " token goes through a linear layer and becomes 10 logits; the patches' rows are not used."
    ),
    "float_formats": (
        "Three rows of bits, drawn to scale. float32: a sign, 8 bits of exponent, 23 of"
        " fraction; the largest number is 3.4 times 10 to the 38, the smallest normal one 1.2"
        " times 10 to the minus 38; after 1 comes 1 plus 2 to the minus 23. bfloat16: a sign, 8"
        " bits of exponent, 7 of fraction; the range of float32; after 1 comes 1 plus 2 to the"
        " minus 7. float16: a sign, 5 bits of exponent, 10 of fraction; from 6.1 times 10 to the"
        " minus 5 to 65,504; after 1 comes 1 plus 2 to the minus 10."
    ),
    "jacobian_chain": (
        "A chain from left to right: h0, a layer φ(W1·), h1, a layer φ(W2·), h2, a layer"
        " φ(W3·), h3, the loss. Below it the way back, dashed: the gradient has the length 1 at"
        " h3, passes J3 transposed and has ½ at h2, passes J2 transposed and has ¼ at h1, passes"
        " J1 transposed and has ⅛ at h0."
    ),
    "unit_slopes": (
        "One unit twice, with a sigmoid and with a ReLU. The inputs 1 and 3 with the weights −1 and"
        " 1 give z = 2. The sigmoid makes 0.88 of it; the gradient 4 that comes back is multiplied"
        " by the slope 0.105, so that 0.42 arrives at z, 0.42 at the first weight and 1.26 at the"
        " second. The ReLU makes 2; its slope is 1, and 4 arrives at z, 4 and 12 at the weights."
    ),
    "inception_block": (
        "A map of 192×28×28 goes into four branches side by side: a 1×1 convolution to 64 channels;"
        " a 1×1 convolution to 96 and a 3×3 convolution to 128; a 1×1 convolution to 16 and a 5×5"
        " convolution to 32; a 3×3 max pooling with stride 1 and a 1×1 convolution to 32. All end"
        " in one box, concatenate, which gives 256×28×28."
    ),
    "googlenet": (
        "GoogLeNet from an image of 3×224×224: a 7×7 convolution with stride 2, max pooling, a 1×1"
        " and a 3×3 convolution, max pooling to 192×28×28, the Inception blocks 3a and 3b, max"
        " pooling to 480×14×14, the blocks 4a to 4e, max pooling to 832×7×7, the blocks 5a and 5b,"
        " the mean of each map, 1024 numbers, a Linear layer, 1000 logits. From 4a and from 4d, in"
        " training only, a head leads aside: average pooling of 5×5 with stride 3, a 1×1"
        " convolution and Linear layers, 1000 logits."
    ),
}
