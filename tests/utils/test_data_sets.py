"""Books, translations, tables, pictures, and the registry of them all."""

import gzip
import hashlib
import string

import pytest
import torch

from utils import data
from utils.data import novels, tables, translation
from utils.data.downloads import Remote, file_hash

AUSTEN = {
    "emma": "7c67b5985c6d0de1efaeb5d342d52cb82c38083c40e2295129e30e87ee690ebe",
    "mansfield-park": "98bc90519cdf4ef663ad7de2734bb529435ef24f7abbde6bb1a50898871dafe9",
    "northanger-abbey": "51f91bbe0517db8e65cff009b097ce0a1836124c4e0532ac19e6c0cad982abed",
    "persuasion": "8061549557aebd2fd6e353d18d9197cb707029112bd52d4d8b174583a925848a",
    "pride-and-prejudice": "dfc684d4f857fa938268f9ab9c5567b64bd0691251eca959644adeabe6287a4d",
    "sense-and-sensibility": "105e1651fe93bed7130078578efd31e0c557d68667ba672ddc876f735b30fe09",
}


@pytest.fixture
def own_folder(monkeypatch, tmp_path):
    """The reader's own folder, and a way to put a file there that passes for a published one."""
    monkeypatch.setenv("BOOK_DATA", str(tmp_path))
    monkeypatch.setenv("BOOK_CACHE", str(tmp_path / "cache"))

    def put(path: str, content: bytes) -> Remote:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return Remote(path, ("http://127.0.0.1:9/none",), f"sha256:{file_hash(file)}")

    return put


def test_austen_is_the_text_of_its_source():
    texts = data.austen()
    assert {t: hashlib.sha256(x.encode()).hexdigest() for t, x in texts.items()} == AUSTEN


@pytest.mark.parametrize("title", ["Pride and Prejudice", "pride-and-prejudice"])
def test_one_novel(title):
    assert data.austen(title).startswith("PRIDE AND PREJUDICE")
    assert data.book(title) == data.austen(title)


def test_unknown_titles_are_answered_with_those_that_exist():
    with pytest.raises(ValueError, match="no novel 'sanditon'.*emma.*sense-and-sensibility"):
        data.austen("sanditon")
    with pytest.raises(ValueError, match="Did you mean 'persuasion'.*time-machine"):
        data.book("persuation")


def test_books_that_do_not_ship(own_folder, monkeypatch):
    remote = own_folder("time-machine/timemachine.txt", "The Time Traveller – so".encode())
    monkeypatch.setitem(novels._REMOTE, "time-machine", remote)
    assert data.book("The Time Machine") == "The Time Traveller – so"


def test_paragraphs():
    assert data.paragraphs("\n\nOne\n two.\n\n  \nThree.\n\n\n") == ["One two.", "Three."]
    long = [p for p in data.paragraphs(data.austen("emma")) if "Emma Woodhouse, handsome" in p]
    assert len(long) == 1
    assert long[0].endswith("very little to distress or vex her.")


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (0, "零"),
        (7, "七"),
        (10, "十"),
        (11, "十一"),
        (20, "二十"),
        (100, "一百"),
        (101, "一百零一"),
        (110, "一百一十"),
        (111, "一百一十一"),
        (1_001, "一千零一"),
        (1_010, "一千零一十"),
        (1_100, "一千一百"),
        (9_999, "九千九百九十九"),
        (10_000, "一万"),
        (10_010, "一万零一十"),
        (20_304, "二万零三百零四"),
        (100_000, "十万"),
        (110_001, "十一万零一"),
        (1_010_000, "一百零一万"),
        (10_100_101, "一千零一十万零一百零一"),
        (100_000_000, "一亿"),
        (100_010_000, "一亿零一万"),
        (100_000_001, "一亿零一"),
        (120_000_000, "一亿二千万"),
    ],
)
def test_chinese_numerals(number, name):
    assert data.chinese_numeral(number) == name


def test_chinese_numerals_are_all_different():
    numbers = [*range(12_000), *range(99_900, 100_200), *range(999_000, 1_002_000)]
    assert len({data.chinese_numeral(i) for i in numbers}) == len(numbers)


def test_chinese_numerals_end_somewhere():
    for number in (-1, 10**16):
        with pytest.raises(ValueError, match="not from 0"):
            data.chinese_numeral(number)


def test_number_names():
    train, test = data.number_names(upto=200)
    assert len(train) == 180
    assert len(test) == 20
    pairs = dict(train + test)
    assert pairs["ninety-nine"] == "quatre-vingt-dix-neuf"
    assert pairs["zero"] == "zéro"
    assert len(pairs) == 200


def test_split_is_seeded_and_does_not_overlap():
    def numbers(pairs: list[tuple[str, str]]) -> set[int]:
        assert all(data.chinese_numeral(int(digits)) == name for digits, name in pairs)
        return {int(digits) for digits, _ in pairs}

    options = dict(source="digits", target="zh", upto=1_000, test_fraction=0.2)
    train, test = data.number_names(**options, seed=3)
    assert numbers(train) | numbers(test) == set(range(1_000))
    assert not numbers(train) & numbers(test)
    assert data.number_names(**options, seed=3) == (train, test)
    assert data.number_names(**options, seed=4) != (train, test)


def test_unknown_languages():
    with pytest.raises(ValueError, match="no language 'de'.*en, fr, zh, digits"):
        data.number_names("en", "de")
    with pytest.raises(ValueError, match="no language 'zh'.*en, fr, de"):
        data.multi30k("zh")


def test_multi30k_pairs_lines(own_folder, monkeypatch):
    for split in ("train", "val", "test_2016_flickr"):
        for language in ("en", "fr"):
            text = f"{split} {language} 1\n{split} {language} 2\u2028é\n"
            remote = own_folder(f"multi30k/{split}.{language}.gz", gzip.compress(text.encode()))
            name = f"{split}.{language}"
            monkeypatch.setitem(translation._SHA256, name, remote.hash.removeprefix("sha256:"))
    train, validation, test = data.multi30k()
    assert train == [("train en 1", "train fr 1"), ("train en 2\u2028é", "train fr 2\u2028é")]
    assert validation[0] == ("val en 1", "val fr 1")
    assert test[0] == ("test_2016_flickr en 1", "test_2016_flickr fr 1")


@pytest.mark.parametrize(
    ("name", "shape", "targets"),
    [
        ("iris", (150, 4), 3),
        ("wine", (178, 13), 3),
        ("breast-cancer", (569, 30), 2),
        ("diabetes", (442, 10), 1),
        ("digits", (1_797, 64), 10),
    ],
)
def test_tables_of_scikit_learn(name, shape, targets):
    table = data.tabular(name)
    assert table.X.shape == shape
    assert len(table) == shape[0]
    assert len(table.feature_names) == shape[1]
    assert len(table.target_names) == targets
    if targets > 1:
        assert table.y.dtype == torch.int64
        assert table.y.unique().tolist() == list(range(targets))
    else:
        assert table.y.dtype == torch.float32


def test_airfoil(own_folder, monkeypatch):
    remote = own_folder("airfoil/airfoil_self_noise.dat", b"800\t0\t.3\t71\t.002\t126\n1 2 3 4 5 6")
    monkeypatch.setattr(tables, "_AIRFOIL", remote)
    table = data.tabular("airfoil")
    assert table.X.tolist()[1] == [1, 2, 3, 4, 5]
    assert table.y.tolist() == [126, 6]
    assert len(table.feature_names) == 5


def test_unknown_table():
    with pytest.raises(ValueError, match="no table 'boston'.*iris.*airfoil"):
        data.tabular("boston")


def test_photographs():
    for name in ("china", "flower"):
        pixels = data.photograph(name)
        assert pixels.shape == (3, 427, 640)
        assert pixels.dtype == torch.uint8
    with pytest.raises(ValueError, match="no photograph 'cat'.*china, flower"):
        data.photograph("cat")


def test_glyphs_are_balanced_and_follow_the_seed():
    images = data.glyphs(205, characters="AB3")
    assert images.X.shape == (205, 1, 28, 28)
    assert images.classes == ("A", "B", "3")
    assert sorted(images.y.bincount().tolist()) == [68, 68, 69]
    again, other = data.glyphs(205, characters="AB3"), data.glyphs(205, characters="AB3", seed=1)
    assert torch.equal(images.X, again.X)
    assert torch.equal(images.y, again.y)
    assert not torch.equal(images.X, other.X)


def test_every_glyph_can_be_seen_and_told_apart():
    plain = dict(rotation=0.0, scale=0.0, shift=0.0, noise=0.0, fonts=["DejaVuSans"])
    characters = string.digits + string.ascii_letters
    images = data.glyphs(len(characters), characters, **plain)
    X, _ = images.tensors()
    assert ((X > 0.5).flatten(1).sum(dim=1) > 20).all()
    assert len(X.flatten(1).unique(dim=0)) == len(characters)
    assert X[:, :, 0].max() == 0  # nothing is cut off
    assert X[:, :, -1].max() == 0


def test_each_distortion_of_glyphs_does_what_it_says():
    none = dict(rotation=0.0, scale=0.0, shift=0.0, noise=0.0, fonts=["DejaVuSans"])
    still, _ = data.glyphs(50, "I", **none).tensors()
    assert (still == still[0]).all()

    def spread(**change: float) -> tuple[float, float]:
        """How far the centre of mass and the amount of white vary over the images."""
        X, _ = data.glyphs(50, "I", **{**none, **change}).tensors()
        x = torch.linspace(-1, 1, 28)
        mass = X.sum(dim=(1, 2, 3))
        return ((X * x).sum(dim=(1, 2, 3)) / mass).std().item(), (mass / mass.mean()).std().item()

    assert spread(shift=0.2)[0] == pytest.approx(0.2 / 3**0.5, rel=0.25)  # uniform on ±0.2
    assert spread(scale=0.3)[1] > 0.1 > spread(rotation=20.0)[1]
    noisy, _ = data.glyphs(50, "I", **{**none, "noise": 0.1}).tensors()
    assert (noisy - still).abs().max() > 0.2


def test_unknown_fonts_and_characters():
    with pytest.raises(ValueError, match="no font 'Comic'.*DejaVuSans"):
        data.glyphs(1, fonts=["Comic"])
    with pytest.raises(ValueError, match="no character '!'"):
        data.glyphs(1, "a!")


def test_registry_loads_by_name():
    assert len(data.load("iris")) == 150
    assert len(data.load("glyphs", n=7)) == 7
    assert data.load("china").shape == (3, 427, 640)
    assert data.load("austen", title="emma").startswith("EMMA")


@pytest.mark.parametrize(
    "name", [n for n, line in data.available().items() if "(download)" not in line]
)
def test_whatever_ships_loads(name):
    options = {"upto": 50} if name == "number-names" else {}
    assert len(data.load(name, **options)) > 0


def test_unknown_data_set():
    with pytest.raises(ValueError, match="no data set 'fashion_mnist'.*'fashion-mnist'.*multi30k"):
        data.load("fashion_mnist")
