/** The stylesheet of all pages. Colours follow the user's light or dark scheme. */
export const STYLES = `
:root {
  color-scheme: light dark;
  --ground: light-dark(#f5f6f9, #14161c);
  --surface: light-dark(#fff, #1c1f27);
  --raised: light-dark(#f0f2f6, #262a34);
  --line: light-dark(#e1e4ec, #313642);
  --text: light-dark(#1c2230, #e8eaf0);
  --quiet: light-dark(#586074, #a2a9ba);
  --accent: light-dark(#3d55cc, #93a5ff);
  --bar: light-dark(#7d90e8, #7286e8);
  --warn: light-dark(#8a5300, #f3bd63);
  --note: light-dark(#1f5fa8, #86bdf7);
  --report: light-dark(#b3261e, #ff9b92);
  --timeout: light-dark(#6b3fa8, #cba6ff);
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
main, body > header > div { max-width: 1120px; margin: 0 auto; padding: 0 20px; }
a { color: var(--accent); text-decoration-thickness: 1px; text-underline-offset: 2px; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
h1, h2, p, dl, dd, ul { margin: 0; }
h1 { font-size: 22px; line-height: 1.25; letter-spacing: -.01em; overflow-wrap: anywhere; }
h2 { font-size: 15px; font-weight: 650; }
code { font: 13px/1.4 ui-monospace, "Cascadia Mono", "SF Mono", Menlo, "DejaVu Sans Mono", monospace; }
.quiet { color: var(--quiet); }
.small { font-size: 13px; }

body > header { background: var(--surface); border-bottom: 1px solid var(--line); margin-bottom: 20px; }
body > header > div { display: flex; flex-wrap: wrap; align-items: center; gap: 12px 16px; padding-block: 18px; }
.badge { display: grid; place-items: center; flex: none; width: 46px; height: 46px; border-radius: 14px; background: var(--accent); color: var(--surface); font-weight: 700; font-size: 17px; }
.title { flex: 1 1 220px; min-width: 0; }
.pod { border: 1px solid var(--line); border-radius: 999px; padding: 4px 12px; font-size: 13px; color: var(--quiet); white-space: nowrap; }
.pod strong { color: var(--text); font-weight: 600; }

.panel { background: var(--surface); border: 1px solid var(--line); border-radius: 12px; padding: 18px 20px; min-width: 0; }
.panel > header { display: flex; flex-wrap: wrap; align-items: baseline; justify-content: space-between; gap: 6px 16px; margin-bottom: 14px; }
.grid { display: grid; grid-template-columns: minmax(0, 1fr) 320px; gap: 16px; align-items: start; padding-bottom: 40px; }
.side { display: grid; gap: 16px; }
.wide { grid-column: 1 / -1; }

.numbers { display: grid; grid-template-columns: repeat(5, minmax(0, 1fr)); gap: 1px; padding: 0; overflow: hidden; background: var(--line); }
.numbers div { background: var(--surface); padding: 14px 20px; display: flex; flex-direction: column-reverse; }
.numbers dt { color: var(--quiet); font-size: 13px; }
.numbers dd { font-size: 24px; font-weight: 650; line-height: 1.2; font-variant-numeric: tabular-nums; }

.tabs { display: flex; flex-wrap: wrap; gap: 4px; list-style: none; padding: 0; }
.tabs a { display: block; padding: 3px 11px; border-radius: 999px; color: var(--quiet); text-decoration: none; font-size: 13.5px; }
.tabs a:hover { background: var(--raised); color: var(--text); }
.tabs a[aria-current] { background: var(--raised); color: var(--text); font-weight: 600; }
.filter { display: flex; gap: 8px; margin-bottom: 12px; }
.filter input { flex: 1 1 auto; min-width: 0; max-width: 280px; }
input, button, .button { font: inherit; font-size: 14px; color: inherit; background: var(--ground); border: 1px solid var(--line); border-radius: 8px; padding: 6px 11px; }
button, .button { background: var(--raised); cursor: pointer; text-decoration: none; }
button:hover, .button:hover { border-color: var(--quiet); }

table { width: 100%; border-collapse: collapse; }
th { text-align: left; font-weight: 500; font-size: 13px; color: var(--quiet); padding: 6px 12px 6px 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
td { padding: 9px 16px 9px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th:last-child, td:last-child { padding-right: 0; }
tr:last-child td { border-bottom: 0; }
.log td, .fixed { white-space: nowrap; }
.log .reason { width: 100%; white-space: normal; overflow-wrap: anywhere; }
.log .when { text-align: right; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.kind { display: inline-flex; align-items: center; gap: 7px; font-weight: 550; white-space: nowrap; }
.kind::before { content: ""; width: 8px; height: 8px; border-radius: 50%; background: currentColor; }
.warn { color: var(--warn); } .note { color: var(--note); } .report { color: var(--report); } .timeout { color: var(--timeout); }
.paging { display: flex; align-items: center; justify-content: space-between; gap: 12px; margin-top: 14px; }
.paging .button[aria-disabled] { opacity: .45; cursor: default; border-color: var(--line); }
.empty { text-align: center; padding: 34px 12px; color: var(--quiet); }
.empty strong { display: block; color: var(--text); margin-bottom: 4px; }

.chart svg { display: block; width: 100%; height: 120px; overflow: visible; }
.chart rect { fill: var(--bar); }
.chart rect:hover { fill: var(--accent); }
.chart line { stroke: var(--line); vector-effect: non-scaling-stroke; }
.axis { display: flex; justify-content: space-between; margin-top: 6px; font-size: 12px; color: var(--quiet); font-variant-numeric: tabular-nums; }
.bars { list-style: none; padding: 0; margin-top: 14px; display: grid; gap: 8px; }
.bars li { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 2px 12px; font-size: 14px; }
.bars span:first-child { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.bars meter { grid-column: 1 / -1; }
meter { width: 100%; height: 6px; appearance: none; border: 0; border-radius: 3px; background: var(--raised); }
meter::-webkit-meter-inner-element { display: block; }
meter::-webkit-meter-bar { background: var(--raised); border: 0; border-radius: 3px; height: 6px; }
meter::-webkit-meter-optimum-value { background: var(--bar); border-radius: 3px; }
meter::-moz-meter-bar { background: var(--bar); border-radius: 3px; }

.facts { display: grid; gap: 10px; }
.facts div { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 12px; }
.facts dt { color: var(--quiet); }
.facts dd { text-align: right; font-weight: 550; overflow-wrap: anywhere; }
.notice { max-width: 560px; margin: 12vh auto; }
.notice h1 { margin-bottom: 8px; }
.notice p + p { margin-top: 10px; }
.banner { border-color: var(--warn); margin-bottom: 16px; }

@media (max-width: 860px) {
  .grid { grid-template-columns: minmax(0, 1fr); }
}
@media (max-width: 620px) {
  main, body > header > div { padding-inline: 14px; }
  .panel { padding: 16px; }
  .numbers { padding: 0; grid-template-columns: 1fr 1fr; }
  .numbers div:last-child { grid-column: 1 / -1; }
  .numbers div { padding: 12px 16px; }
  th, td { padding-right: 10px; }
  td a { overflow-wrap: anywhere; }
  .log, .log tbody, .log td { display: block; }
  .log thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .log tr { display: grid; grid-template-columns: auto auto 1fr; gap: 2px 10px; padding: 12px 0; border-bottom: 1px solid var(--line); }
  .log tr:last-child { border-bottom: 0; }
  .log td { padding: 0; border: 0; }
  .log .when { grid-area: 1 / 3; }
  .log td:nth-child(3), .log .reason { grid-column: 1 / -1; }
}
`;
