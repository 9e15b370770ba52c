from . import attention as attention
from . import lenet as lenet
from .attention import AdditiveAttention as AdditiveAttention
from .attention import DotProductAttention as DotProductAttention
from .attention import attention_mask as attention_mask
from .attention import masked_softmax as masked_softmax
from .lenet import LeNet as LeNet
