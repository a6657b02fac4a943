"""How a replay's page looks, and the script that tells of single steps. Colours as in `_style`."""

from typing import Final

REPLAY_CSS: Final = """
main{--gutter:96px;max-width:1200px}
h3{font-size:16px;margin:26px 0 2px}
.summary{font-size:14px}.summary td{vertical-align:top;padding:7px 5px}
.summary th{padding:7px 5px}.summary tbody th{vertical-align:top}
.summary .interval{display:block;color:var(--soft);font-weight:400;font-size:11px}
tr.ruler th,tr.ruler td{border-top:1px solid var(--soft)}tr.ruler th{font-weight:500;font-style:italic}
.over{color:var(--bad);font-weight:600}
ol.keys{list-style:none;padding:0;margin:0 0 14px;columns:2;column-gap:28px;max-width:none;font-size:14px}
ol.keys li{break-inside:avoid;margin:0 0 4px;padding-left:30px;position:relative}
.key{display:inline-block;min-width:17px;text-align:center;font-size:11px;line-height:16px;font-weight:650;
border-radius:4px;padding:0 3px;background:var(--paper);border:1px solid var(--shade);color:var(--ink)}
ol.keys .key{position:absolute;left:0;top:3px}
.key.change{border-style:dashed;border-color:var(--soft)}
details.policy{margin:0 0 10px;border-top:1px solid var(--rule);padding-top:10px}
details.policy>summary{font-size:16px}
summary .facts{font-weight:400;color:var(--soft);font-size:14px;margin-left:8px}
button{font:inherit;font-size:14px;color:inherit;background:var(--card);border:1px solid var(--rule);border-radius:7px;
padding:4px 12px;margin:0 0 12px;cursor:pointer}
.block{position:relative;padding:0 0 0 var(--gutter);margin:0 0 18px}
.shades{position:absolute;top:0;left:var(--gutter);right:0;width:calc(100% - var(--gutter));height:calc(100% - 34px)}
.marks{position:relative;height:20px}.marks.two{height:38px}.marks.three{height:56px}
.marks .key{position:absolute;transform:translateX(-50%);top:1px}
.marks .key.r1{top:19px}.marks .key.r2{top:37px}
.lane{position:relative;margin:0 0 9px}
.lane h4{margin:0;font-size:12px;line-height:17px;font-weight:400;color:var(--soft);position:relative}
.plot{position:relative}
.plot svg{position:relative;overflow:visible}
.ys span{position:absolute;right:calc(100% + 7px);width:calc(var(--gutter) - 9px);transform:translateY(-50%);
text-align:right;font-size:11px;line-height:13px;color:var(--soft);overflow:hidden;text-overflow:ellipsis;
white-space:nowrap;font-variant-numeric:tabular-nums}
.times{position:relative;height:34px;font-size:11px;line-height:15px;color:var(--soft)}
.times span{position:absolute;transform:translateX(-50%);white-space:nowrap;font-variant-numeric:tabular-nums}
.times span:last-of-type.end{transform:translateX(-100%)}
.times i{position:absolute;left:50%;top:17px;transform:translateX(-50%);font-style:normal;white-space:nowrap}
.rails{display:flex;flex-wrap:wrap;gap:2px 14px;font-size:12px;color:var(--soft);margin:-10px 0 16px var(--gutter)}
.rails+.rails{margin-top:-12px}
.rails b{display:inline-block;width:11px;height:11px;border-radius:2px;background:var(--c);margin-right:5px;
vertical-align:-1px}
.s0{--c:#0072b2}.s1{--c:#d55e00}.s2{--c:#009e73}.s3{--c:#cc79a7}.s4{--c:#7a6a00}.s5{--c:#6b7785}
@media (prefers-color-scheme:dark){.s0{--c:#63b3ec}.s4{--c:#f0e442}}
.block svg path{vector-effect:non-scaling-stroke}
.block svg .met.dots{stroke-width:3}
.block svg .met.span{stroke-width:1.3;opacity:.8;stroke-linecap:butt}
.block svg .late.dots{stroke-width:4.5}
.block svg .late.span{stroke-width:1.6;stroke-linecap:butt}
.block svg .tick{stroke-width:1.3;stroke-linecap:butt;fill:none}
.block svg .lost{stroke:var(--ink)}
.block svg .cores{stroke:var(--ink);stroke-width:1.4;fill:none}
.block svg .area{fill:var(--c);stroke:none}
.block svg .line{stroke:var(--c);stroke-width:1.6;fill:none;stroke-linejoin:round}
.block svg .trip{stroke:var(--bad);stroke-width:1.2;stroke-dasharray:1.5 3;fill:none}
.block svg .throttled{stroke:var(--bad);stroke-width:5;fill:none}
.block svg .change{stroke:var(--soft);stroke-width:1.2;stroke-dasharray:4 3;fill:none}
.lane.latency .plot{cursor:crosshair;touch-action:pan-y;border-radius:3px}
.lane.latency .plot:focus-visible,summary:focus-visible,button:focus-visible,.scroll:focus-visible{
outline:2px solid var(--good);outline-offset:2px}
.cursor{position:absolute;top:20px;bottom:34px;width:1px;background:var(--ink);opacity:.55;pointer-events:none;
display:none;left:calc(var(--gutter) + (100% - var(--gutter))*var(--at,0))}
.pointing .cursor{display:block}
#told{position:fixed;left:50%;bottom:12px;transform:translateX(-50%);width:min(900px,calc(100vw - 24px));
background:var(--card);border:1px solid var(--soft);border-radius:9px;padding:9px 14px 10px;font-size:13.5px;
line-height:1.45;z-index:9;display:none;box-shadow:0 4px 18px rgba(0,0,0,.22);pointer-events:none;
font-variant-numeric:tabular-nums}
#told.above{top:12px;bottom:auto}
.pointing #told{display:block}
#told p{margin:0;max-width:none}#told .late{color:var(--bad);font-weight:600}
@media (max-width:700px){main{--gutter:62px}ol.keys{columns:1}.times .minor{display:none}
.summary td,.summary th{padding:7px 7px}summary .facts{display:block;margin-left:0}}
@media print{#told,button{display:none}}
"""

REPLAY_JS: Final = """
(()=>{const root=document.documentElement;
addEventListener('error',event=>{root.dataset.error=event.message});
const {start,end,runs,sentences}=JSON.parse(document.getElementById('steps').textContent);
const told=document.getElementById('told'),at=new Map();
const line=(words,kind)=>{const p=document.createElement('p');p.textContent=words;if(kind)p.className=kind;return p};
function outcome(step){const [,response,deadline,waited,fallback,error]=step;
const extra=(waited?`, ${waited.toFixed(1)} ms of it waiting`:'')+(fallback?'; fallback':'')+(error?`; ${error}`:'');
if(response===null)return['no answer'+extra,'late'];
if(deadline===null)return[`${response.toFixed(2)} ms, no deadline${extra}`,''];
const by=Math.abs(deadline-response).toFixed(2);
return[`${response.toFixed(2)} ms of ${deadline.toFixed(2)} ms: `+
(response>deadline?`late by ${by} ms`:`in time by ${by} ms`)+extra,
response>deadline?'late':'']}
function reason(step){const figures=step[7].split(' ');let n=0;
return sentences[step[6]].replace(/\\u00a4/g,()=>figures[n++])}
function show(plot,index){const run=runs[+plot.dataset.run],step=run.steps[index];if(!step)return;at.set(plot,index);
const [words,kind]=outcome(step),why=reason(step);
told.replaceChildren(line(`${run.policy}, ${run.application}, ${step[0].toFixed(2)} s`),line(words,kind),line(why));
told.firstChild.style.fontWeight=650;
told.classList.toggle('above',plot.getBoundingClientRect().bottom>innerHeight*.6);
document.body.style.setProperty('--at',(step[0]-start)/(end-start));document.body.classList.add('pointing');
plot.setAttribute('aria-valuenow',index);
plot.setAttribute('aria-valuetext',`${step[0].toFixed(2)} s: ${words}. ${why}`)}
const hide=()=>document.body.classList.remove('pointing');
function nearest(steps,time){let low=0,high=steps.length-1;
while(low<high){const mid=low+high>>1;steps[mid][0]<time?low=mid+1:high=mid}
return low>0&&time-steps[low-1][0]<steps[low][0]-time?low-1:low}
const isMissed=step=>step[1]===null||(step[2]!==null&&step[1]>step[2]);
for(const plot of document.querySelectorAll('.plot[data-run]')){
const steps=runs[+plot.dataset.run].steps;if(!steps.length)continue;
const point=event=>{const box=plot.getBoundingClientRect();
show(plot,nearest(steps,start+(event.clientX-box.left)/box.width*(end-start)))};
plot.addEventListener('pointermove',point);plot.addEventListener('pointerdown',point);
plot.addEventListener('pointerleave',event=>{if(event.pointerType==='mouse'&&document.activeElement!==plot)hide()});
plot.addEventListener('focus',()=>{if(plot.matches(':focus-visible'))show(plot,at.get(plot)??0)});
plot.addEventListener('blur',hide);
plot.addEventListener('keydown',event=>{let index=at.get(plot)??0;const way=event.key==='ArrowLeft'?-1:1;
if(event.key==='ArrowLeft'||event.key==='ArrowRight'){
if(event.shiftKey){do index+=way;while(steps[index]&&!isMissed(steps[index]))}else index+=way}
else if(event.key==='Home')index=0;else if(event.key==='End')index=steps.length-1;
else if(event.key==='Escape'){hide();return}else return;
event.preventDefault();if(steps[index])show(plot,index)})}
addEventListener('keydown',event=>{if(event.key==='Escape')hide()});
addEventListener('pointerdown',event=>{if(!event.target.closest('.plot[data-run]'))hide()});
const all=document.getElementById('open-all'),policies=[...document.querySelectorAll('details.policy')];
if(all){all.hidden=false;all.addEventListener('click',()=>{const shut=policies.some(one=>!one.open);
for(const one of policies)one.open=shut;all.textContent=shut?'Close all':'Open all'})}
addEventListener('beforeprint',()=>{for(const one of policies)one.open=true});
root.dataset.ready=document.querySelectorAll('.plot[data-run]').length})();
"""
