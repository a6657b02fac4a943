"""How figures and pages look: light and dark, on a wide screen and on a phone.

Colours are Okabe and Ito's (2008), which people tell apart whatever their colour vision; what is late also differs in
shape.
"""

from typing import Final

FIGURE_CSS: Final = """
:root{color-scheme:light dark;--paper:#fff;--ink:#1d2733;--soft:#566472;--rule:#e3e8ed;--card:#f6f8fa;
--good:#0072b2;--bad:#c94700;--shade:#e69f00;--shade-strength:.17;--level:#007a5a;--tint:#eef5fb}
@media (prefers-color-scheme:dark){:root{--paper:#12171d;--ink:#e6ebf0;--soft:#9aa7b4;--rule:#29323c;--card:#1a2129;
--good:#63b3ec;--bad:#ff8a4c;--shade:#e69f00;--shade-strength:.2;--level:#3fc79a;--tint:#172532}}
svg{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;font-size:12px}
svg text{fill:var(--ink)}
svg .soft{fill:var(--soft);font-size:11px}
svg .name{font-weight:650;font-size:14px}
svg .title{font-weight:650;font-size:17px}
svg .rule{stroke:var(--rule);fill:none}
svg .axis{stroke:var(--soft);fill:none;opacity:.55}
svg .label{paint-order:stroke;stroke:var(--paper);stroke-width:3.5;stroke-linejoin:round}
svg .paper{fill:var(--paper)}
svg .shade{fill:var(--shade);opacity:var(--shade-strength)}
svg .moment{stroke:var(--shade);stroke-width:1.5;stroke-dasharray:1 3;stroke-linecap:round;fill:none}
svg .deadline{stroke:var(--ink);stroke-width:1.2;stroke-dasharray:5 3;fill:none}
svg .met{stroke:var(--good);stroke-width:2.8;stroke-linecap:round;fill:none;opacity:.75}
svg .late{stroke:var(--bad);stroke-width:1.4;stroke-linecap:round;fill:none}
svg .none{stroke:var(--bad);stroke-width:1.4;fill:var(--paper)}
svg .level{stroke:var(--level);stroke-width:1.6;stroke-linejoin:round;fill:none}
svg .front{stroke:var(--soft);stroke-width:1.2;fill:none;opacity:.7}
svg .bar{stroke-width:1.2;opacity:.6;fill:none}
svg .ring{stroke:var(--ink);stroke-width:1.6;fill:none}
svg .mark{stroke:var(--paper);stroke-width:1}
svg .s0{--c:#0072b2}svg .s1{--c:#d55e00}svg .s2{--c:#009e73}svg .s3{--c:#cc79a7}svg .s4{--c:#7a6a00}svg .s5{--c:#6b7785}
@media (prefers-color-scheme:dark){svg .s0{--c:#63b3ec}svg .s4{--c:#f0e442}}
svg .mark{fill:var(--c)}svg .bar{stroke:var(--c)}
"""

PAGE_CSS: Final = """
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,sans-serif;-webkit-text-size-adjust:100%}
main{max-width:1080px;margin:0 auto;padding:40px 28px 64px}
h1{font-size:30px;line-height:1.2;letter-spacing:-.015em;margin:0 0 6px}
h2{font-size:19px;letter-spacing:-.005em;margin:44px 0 10px}
p{margin:0 0 10px;max-width:74ch}
.under{color:var(--soft);font-size:14px;margin-bottom:22px;overflow-wrap:anywhere}
.lede{font-size:18px;line-height:1.5}
figure{margin:0}
figcaption,.small{color:var(--soft);font-size:13.5px;line-height:1.5;margin-top:8px;max-width:82ch}
svg{display:block;width:100%;height:auto}
.narrow{display:none}
.scroll{overflow-x:auto;margin:0 -4px;padding:0 4px}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:14.5px;width:100%}
th,td{padding:8px 9px;text-align:right;white-space:nowrap;border-bottom:1px solid var(--rule)}
thead th{white-space:normal;font-weight:500;color:var(--soft);font-size:12.5px;line-height:1.3;vertical-align:bottom;
border-bottom:1.5px solid var(--soft)}
thead .unit{display:block;font-weight:400}
tbody th{font-weight:600;text-align:left}thead th:first-child{text-align:left}
tbody tr.subject{background:var(--tint)}
td.best{font-weight:700}
.tag{display:inline-block;border:1px solid var(--rule);border-radius:9px;padding:0 7px;font-size:11.5px;
line-height:17px;color:var(--soft);background:var(--card);vertical-align:1px}
dl{display:grid;grid-template-columns:minmax(130px,max-content) 1fr;gap:5px 22px;margin:0;font-size:14.5px}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
ul{margin:0;padding-left:20px;max-width:76ch}li{margin:0 0 6px}
details{margin-top:44px}summary{cursor:pointer;font-weight:600}
details table{font-size:13px;margin-top:10px}details td,details th{padding:4px 8px}
footer{margin-top:48px;padding-top:12px;border-top:1px solid var(--rule);color:var(--soft);font-size:13px}
#tip{position:fixed;pointer-events:none;display:none;background:var(--ink);color:var(--paper);padding:5px 9px;
border-radius:6px;font-size:12.5px;line-height:1.4;white-space:pre;z-index:9;font-variant-numeric:tabular-nums}
@media (max-width:700px){main{padding:24px 16px 40px}h1{font-size:24px}.lede{font-size:16.5px}.wide{display:none}
.narrow{display:block}h2{margin-top:34px}dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:8px}
tbody th,thead th:first-child{position:sticky;left:0;background:var(--paper)}
tbody tr.subject th{background:var(--tint)}}
@media print{.wide{display:block}.narrow{display:none}}
"""

TIP_JS: Final = """
(()=>{const runs=JSON.parse(document.getElementById('frames').textContent),tip=document.getElementById('tip');
for(const svg of document.querySelectorAll('svg.time')){
svg.addEventListener('pointerleave',()=>tip.style.display='none');
svg.addEventListener('pointermove',event=>{
const at=new DOMPoint(event.clientX,event.clientY).matrixTransform(svg.getScreenCTM().inverse());
const panel=[...svg.querySelectorAll('g.panel')].find(g=>at.y>=+g.dataset.top&&at.y<=+g.dataset.bottom);
const x0=+svg.dataset.x0,x1=+svg.dataset.x1;
if(!panel||at.x<x0-4||at.x>x1+4){tip.style.display='none';return}
const t=+svg.dataset.t0+(at.x-x0)/(x1-x0)*(svg.dataset.t1-svg.dataset.t0),run=runs[+panel.dataset.run],f=run.frames;
let low=0,high=f.length-1;if(high<0)return;
while(low<high){const mid=low+high>>1;f[mid][0]<t?low=mid+1:high=mid}
if(low>0&&t-f[low-1][0]<f[low][0]-t)low--;
const [time,response,deadline,point,error]=f[low];
tip.textContent=`${run.policy}, ${time.toFixed(2)} s\\n`+(response===null?'no answer'+(error?': '+error:''):
`${response.toFixed(2)} ms`+(deadline===null?'':(response>deadline?', late':', in time')+` (deadline ${deadline} ms)`))+
(point===null?'':'\\n'+run.points[point]);
tip.style.display='block';const w=tip.offsetWidth,h=tip.offsetHeight;
tip.style.left=Math.min(event.clientX+14,innerWidth-w-8)+'px';
tip.style.top=(event.clientY+h+22>innerHeight?event.clientY-h-12:event.clientY+16)+'px'})}})();
"""
