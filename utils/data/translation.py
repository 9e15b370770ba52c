"""Pairs of sentences in two languages: the names of numbers, and captions of photographs."""

import functools
import gzip
from collections.abc import Callable

import torch

from utils.data.downloads import Remote, fetch
from utils.errors import unknown
from utils.seed import generator

Pairs = list[tuple[str, str]]

_DIGITS = "零一二三四五六七八九"
_RANKS = ("", "十", "百", "千")  # of the digits in a group of four
_GROUPS = ("", "万", "亿", "万亿")  # of the groups


def chinese_numeral(number: int) -> str:
    """The name of a number in Chinese, by rule: digits with ranks, in groups of four.

    A run of zeros inside a number is said once; zeros at the end of a number are not said; ten to
    nineteen begin with 十, not 一十.

    >>> chinese_numeral(20_304), chinese_numeral(15)
    ('二万零三百零四', '十五')

    Raises:
        ValueError: the number is not from 0 to 10¹⁶ − 1.
    """
    if not 0 <= number < 10**16:
        raise ValueError(f"{number} is not from 0 to 10**16 - 1.")
    if number == 0:
        return _DIGITS[0]
    name, skipped = "", False
    for position in reversed(range(len(str(number)))):
        group, rank = divmod(position, 4)
        digit = number // 10**position % 10
        if digit:
            name += (_DIGITS[0] if skipped and name else "") + _DIGITS[digit] + _RANKS[rank]
        skipped = not digit
        if rank == 0 and number // 10**position % 10**4:
            name += _GROUPS[group]
    return name.removeprefix("一") if name.startswith("一十") else name


def _by_num2words(language: str) -> Callable[[int], str]:
    @functools.cache  # a fifth of a millisecond each
    def name(number: int) -> str:
        from num2words import num2words

        return str(num2words(number, lang=language))

    return name


LANGUAGES: dict[str, Callable[[int], str]] = {
    "en": _by_num2words("en"),
    "fr": _by_num2words("fr"),
    "zh": chinese_numeral,
    "digits": str,
}


def number_names(
    source: str = "en",
    target: str = "fr",
    *,
    upto: int = 10_000,
    test_fraction: float = 0.1,
    seed: int = 0,
) -> tuple[Pairs, Pairs]:
    """The names of numbers in two languages: a translation task with one right answer.

    Languages are "en", "fr", "zh" and "digits". The numbers below ``upto`` are split by chance into
    pairs for training and for testing; no number is in both.

    >>> train, test = number_names("digits", "fr", upto=100, test_fraction=0.2)
    >>> len(train), len(test)
    (80, 20)
    >>> dict(train + test)["80"]
    'quatre-vingts'

    Raises:
        ValueError: a language is unknown; the message lists those that exist.
    """
    for language in (source, target):
        if language not in LANGUAGES:
            raise ValueError(unknown("language", language, LANGUAGES))
    order = torch.randperm(upto, generator=generator(seed)).tolist()
    pairs = [(LANGUAGES[source](i), LANGUAGES[target](i)) for i in order]
    held_out = round(upto * test_fraction)
    return pairs[held_out:], pairs[:held_out]


_SPLITS = ("train", "val", "test_2016_flickr")
_MULTI30K = (
    "https://raw.githubusercontent.com/multi30k/dataset"
    "/a3d2e0d26b56f3846f66a952536ffed4e401d05a/data/task1/raw"
)
_SHA256 = {
    "train.en": "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f",
    "train.fr": "622e75069e9f4c577425c4f277116ce66e63a2401c0a2312d90073cb12379a3c",
    "train.de": "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6",
    "val.en": "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28",
    "val.fr": "ca3106f1a72390591d25f6c45cb4cd39dec4cd3f123e099748a3ce5256c160e9",
    "val.de": "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a",
    "test_2016_flickr.en": "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9",
    "test_2016_flickr.fr": "6d326e188d259fb1d04ac19eae3af956559b3a0b93d7635e56c90987c40c8b90",
    "test_2016_flickr.de": "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8",
}


def multi30k(source: str = "en", target: str = "fr") -> tuple[Pairs, Pairs, Pairs]:
    """Captions of photographs in two languages (Elliott et al., 2016); does not ship.

    Languages are "en", "fr" and "de". There are 29,000 pairs for training, 1,014 for validation and
    1,000 for testing.

    Raises:
        ValueError: a language is unknown; the message lists those that exist.
        DataError: the files are neither on this machine nor to be downloaded.
    """
    known = ("en", "fr", "de")
    for language in (source, target):
        if language not in known:
            raise ValueError(unknown("language", language, known))

    def lines(split: str, language: str) -> list[str]:
        name = f"{split}.{language}"
        url = f"{_MULTI30K}/{name}.gz"
        file = fetch(Remote(f"multi30k/{name}.gz", (url,), f"sha256:{_SHA256[name]}"))
        return gzip.decompress(file.read_bytes()).decode("utf-8").strip().split("\n")

    train, validation, test = (
        list(zip(lines(split, source), lines(split, target), strict=True)) for split in _SPLITS
    )
    return train, validation, test
