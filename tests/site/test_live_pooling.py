"""Attention pooling: the sliders move the query and widen the kernel, and the estimate follows."""

from playwright.sync_api import Locator, Page, expect

from tests.site.live import content

NAME = "pooling"


def slider(page: Page, name: str) -> Locator:
    return page.locator(f'.live[data-live="{NAME}"]').get_by_role("slider", name=name)


def test_it_says_what_pytorch_computed(page: Page) -> None:
    (given, wanted), *_ = content(NAME)["check"]
    slider(page, "Query").fill(str(given["query"]))
    slider(page, "Width").fill("0.3")  # about 2
    told = page.locator(f'.live[data-live="{NAME}"] .live-status')
    expect(told).to_contain_text(f"Estimate {wanted['output'][0]:.0f}")


def test_a_wide_kernel_asks_everybody(page: Page) -> None:
    told = page.locator(f'.live[data-live="{NAME}"] .live-status')
    slider(page, "Width").fill("1.5")
    everybody = told.inner_text()
    slider(page, "Width").fill("-1.5")
    expect(told).not_to_have_text(everybody)
    assert "of 300" in everybody
    assert float(everybody.split("from ")[1].split()[0]) > 295
    assert float(told.inner_text().split("from ")[1].split()[0]) < 20


def test_the_query_moves_the_estimate(page: Page) -> None:
    told = page.locator(f'.live[data-live="{NAME}"] .live-status')
    slider(page, "Width").fill("0.3")
    found = []
    for query in ("20", "28", "36"):
        slider(page, "Query").fill(query)
        found.append(int(told.inner_text().split()[1].rstrip(",")))
    assert found == sorted(found)
    assert found[2] > found[0] + 50
