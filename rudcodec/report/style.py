"""How a page looks, on white and on black."""

STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #5c6670; --line: #d9dee3; --paper: #ffffff;
  --card: #f6f8fa; --good: 0, 114, 178; --bad: 208, 60, 0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e6e9; --soft: #9aa4ae; --line: #3a4149;
  --paper: #15181b; --card: #1d2125; --good: 86, 180, 233; --bad: 255, 120, 60; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 64rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.25rem; margin: 0; overflow-wrap: anywhere; }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
p { margin: .3rem 0 .8rem; } .soft, caption { color: var(--soft); font-size: .9rem; }
section { margin-top: 2.5rem; padding-top: 1.2rem; border-top: 1px solid var(--line); }
.curve { display: block; width: 100%; max-width: 52rem; height: auto; margin: 1rem auto; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .3rem; }
th, td { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
thead th { color: var(--soft); font-weight: 600; white-space: normal; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
tbody th { font-weight: 500; }
.name { display: inline-block; max-width: 14rem; overflow: hidden; text-overflow: ellipsis;
  vertical-align: bottom; white-space: nowrap; }
.better { color: rgb(var(--good)); } .worse { color: rgb(var(--bad)); font-weight: 600; }
.bar { display: flex; height: 1.1rem; border-radius: 4px; overflow: hidden; background: var(--card); }
.bar i { display: block; min-width: 1px; }
.key { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .5em; }
a { color: rgb(var(--good)); }
.rate { display: inline-block; width: 6rem; height: .7rem; border-radius: 3px; background: var(--line); }
.rate i { display: block; height: 100%; border-radius: 3px; background: rgb(var(--good)); }
.sheet td, .sheet th { border: 0; padding-top: 1px; padding-bottom: 1px; text-align: left; }
.strip { display: block; } .strip.enlarged { image-rendering: pixelated; }
.confusion td { text-align: center; min-width: 2.6rem; border: 1px solid var(--paper); padding: .2rem; }
.confusion thead th { vertical-align: bottom; text-align: left; writing-mode: vertical-rl;
  transform: rotate(180deg); max-height: 9rem; overflow: hidden; padding: .3rem 0; border: 0;
  line-height: 2.6;  white-space: nowrap; }
.confusion tbody th { border: 0; }
.matrix { image-rendering: pixelated; max-width: 100%; border: 1px solid var(--line); }
ul.columns { columns: 16rem; padding: 0; list-style: none; margin: .3rem 0; }
code { font-size: .85rem; overflow-wrap: anywhere; }
"""
