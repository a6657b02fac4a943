"""Pages open in a real browser: the script runs, every panel draws, nothing overlaps, and a step tells its reason.

Needs Chromium; without one these tests are skipped.
"""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from synthetic_outcome import made_up_outcomes, made_up_summary
from synthetic_stream import four_runs

from tenuto.report import render_replay, render_report

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--virtual-time-budget=3000",
)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")

PROBE = """
<script>
(()=>{
const all=(what,within=document)=>[...within.querySelectorAll(what)];
for(const one of all('details'))one.open=true;
const seen=one=>{const box=one.getBoundingClientRect();return box.width>0&&box.height>0};
const over=(a,b)=>{const p=a.getBoundingClientRect(),q=b.getBoundingClientRect();
return p.left<q.right-.5&&q.left<p.right-.5&&p.top<q.bottom-.5&&q.top<p.bottom-.5};
const overlaps=[];
for(const group of all('.ys,.marks,.times')){const words=all('span,i',group).filter(seen);
words.forEach((a,i)=>words.slice(i+1).forEach(b=>{if(over(a,b))overlaps.push(a.textContent+' / '+b.textContent)}))}
const empty=all('.lane').filter(lane=>!all('svg path:not(.rule)',lane).some(path=>{const box=path.getBBox();
return box.width>0||box.height>0})).map(lane=>lane.className);
const press=(plot,key,shiftKey=false)=>plot.dispatchEvent(new KeyboardEvent('keydown',{key,shiftKey,bubbles:true}));
const told=()=>document.getElementById('told')?.innerText??'';
const steps=[];const plot=document.querySelector('.plot[data-run]');
if(plot){plot.scrollIntoView();press(plot,'Home');steps.push(told());press(plot,'ArrowRight');steps.push(told());
press(plot,'ArrowRight',true);steps.push(told());
const box=plot.getBoundingClientRect();plot.dispatchEvent(new PointerEvent('pointerdown',
{clientX:box.left+box.width/2,clientY:box.top+5,bubbles:true}));steps.push(told());
const cursor=document.querySelector('.cursor').getBoundingClientRect();
steps.push(String(cursor.left-box.left-box.width/2));press(plot,'Escape');
steps.push(getComputedStyle(document.getElementById('told')).display)}
parent.document.documentElement.dataset.probe=JSON.stringify({width:innerWidth,scroll:document.documentElement.scrollWidth,
lanes:all('.lane').length,plots:all('.plot[data-run]').length,overlaps,empty,steps,
background:getComputedStyle(document.body).backgroundColor,ready:document.documentElement.dataset.ready??null,
error:document.documentElement.dataset.error??null})})();
</script></body>"""


def opened(page: str, folder: Path, *, width: int = 1280) -> tuple[dict[str, Any], list[str]]:
    """A page in the browser: what the probe found in it, and what the console complained of.

    It stands in a frame, because a window is never as narrow as a phone.
    """
    path = folder / "page.html"
    framed = html.escape(page.replace("</body>", PROBE), quote=True)
    path.write_text(
        f'<!doctype html><body style="margin:0"><iframe style="border:0;width:{width}px;height:900px" '
        f'srcdoc="{framed}"></iframe></body>',
        encoding="utf-8",
    )
    assert BROWSER is not None
    profile = f"--user-data-dir={folder / 'profile'}"
    ran = subprocess.run(
        [BROWSER, *FLAGS, profile, "--window-size=1400,1000", "--dump-dom", path.as_uri()],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    match = re.search(r'data-probe="([^"]*)"', ran.stdout)
    assert match is not None, "the probe did not run"
    found: dict[str, Any] = json.loads(html.unescape(match[1]))
    return found, [line for line in ran.stderr.splitlines() if "CONSOLE" in line]


@pytest.fixture(scope="module")
def page() -> str:
    outcomes = made_up_outcomes(duration_s=20)
    return render_replay(outcomes, made_up_summary(outcomes), notes=["Made up."])


@pytest.fixture(scope="module")
def on_a_screen(page: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], list[str]]:
    return opened(page, tmp_path_factory.mktemp("screen"))


def test_a_replay_runs_its_script_and_draws_every_panel(
    page: str, on_a_screen: tuple[dict[str, Any], list[str]]
) -> None:
    found, complaints = on_a_screen
    assert complaints == []
    assert found["error"] is None
    assert found["ready"] == str(found["plots"]) == "4"
    assert found["lanes"] == page.count('class="lane ') >= 4 * 7
    assert found["empty"] == []
    assert found["overlaps"] == []


def test_the_keyboard_and_a_tap_tell_of_a_step_and_why(on_a_screen: tuple[dict[str, Any], list[str]]) -> None:
    first, second, missed, tapped, off_by, after = on_a_screen[0]["steps"]
    assert "tenuto, camera, 0.00 s" in first
    assert "level" in first
    assert "tenuto, camera, 0.10 s" in second
    assert "late by" in missed
    assert re.search(r"camera, (9\.9|10\.[01])\d* s", tapped)
    assert "runner-up" in second
    assert "¤" not in first + second + missed + tapped
    assert abs(float(off_by)) < 10
    assert after == "none"


def test_on_a_phone_nothing_overlaps_and_the_page_does_not_scroll_sideways(page: str, tmp_path: Path) -> None:
    found, complaints = opened(page, tmp_path, width=390)
    assert complaints == []
    assert found["width"] == 390
    assert found["overlaps"] == []
    assert found["scroll"] <= found["width"]


def test_the_report_of_a_stream_has_no_complaint_either(tmp_path: Path) -> None:
    found, complaints = opened(render_report(four_runs(n=200), machine={}), tmp_path)
    assert complaints == []
    assert found["scroll"] <= found["width"]
