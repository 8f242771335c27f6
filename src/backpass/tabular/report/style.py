"""The look of the page: dark or light as the reader has it, and the same on a phone."""

__all__ = ["STYLE"]

STYLE = """
:root { color-scheme: light dark;
  --ink: #222; --dim: #63676d; --page: #fff; --card: #f7f7f7; --rule: #dcdfe3;
  --one: #b35806; --two: #2166ac; --good: 33 102 172; --bad: 179 88 6; }
@media (prefers-color-scheme: dark) { :root {
  --ink: #e8e8e8; --dim: #a2a8b0; --page: #15181c; --card: #1f242a; --rule: #363d46;
  --one: #f1a95f; --two: #74b3e8; --good: 74 143 208; --bad: 200 112 30; } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 66rem; padding: 1.2rem 1rem 3rem; background: var(--page);
  color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .4rem 0; overflow-wrap: anywhere }
h2 { font-size: 1.1rem; margin: 0 0 .6rem }
p { margin: .3rem 0 } .dim { color: var(--dim) } .wide { grid-column: 1 / -1 }
code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: .9em;
  overflow-wrap: anywhere }
main { display: grid; gap: 1rem; margin-top: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 25rem), 1fr)) }
section { background: var(--card); border-radius: .6rem; padding: 1rem; min-width: 0 }
.scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .5rem; text-align: right; border-bottom: 1px solid var(--rule);
  white-space: nowrap }
th { font-weight: 600; color: var(--dim); font-size: .85rem }
td.text, th.text { text-align: left } td.name { text-align: left; white-space: normal;
  overflow-wrap: anywhere; min-width: 8rem } td.note { text-align: left; white-space: normal;
  color: var(--dim); min-width: 12rem }
tr.ours td { font-weight: 600 } td.best { color: var(--two); font-weight: 700 }
tr.dropped td { color: var(--dim) } td.best::after { content: " ★" } td.plain::after {
  content: " ★"; visibility: hidden }
.matrix { width: auto; margin: 0 auto } .matrix td { text-align: center;
  border: 2px solid var(--card); min-width: 2rem; padding: .25rem .3rem }
.matrix td.text { border: 0; text-align: right }
.matrix th { text-align: center; padding: .25rem .3rem;
  max-width: 7rem; overflow: hidden; text-overflow: ellipsis }
svg { display: block; width: 100%; height: auto; font: 12px system-ui, sans-serif }
svg text { fill: var(--dim) } svg .name { fill: var(--ink) } svg .end { text-anchor: end }
svg .middle { text-anchor: middle } svg .grid { stroke: var(--rule) }
svg .mark { stroke: var(--ink); stroke-dasharray: 3 3 }
svg polyline { fill: none; stroke-width: 2; stroke-linejoin: round; stroke: var(--line) }
svg .dot { fill: var(--line) } svg .dots { fill: var(--two); fill-opacity: .45 }
svg .diagonal { stroke: var(--one); stroke-width: 1.5; stroke-dasharray: 5 4 }
.layer0 { --line: var(--one) }
.layer1 { --line: #e08214 } .layer2 { --line: #a98b6b }
.layer3 { --line: #8b93a8 } .layer4 { --line: #67a9cf } .layer5 { --line: var(--two) }
.one { --line: var(--one) } .two { --line: var(--two) }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1rem; margin: .4rem 0 0; padding: 0;
  list-style: none; font-size: .9rem } .legend i { display: inline-block; width: 1.4em;
  height: 3px; vertical-align: middle; margin-right: .4em; background: var(--line) }
ul.plain { margin: 0; padding-left: 1.1rem } li { overflow-wrap: anywhere }
"""
