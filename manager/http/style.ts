/** The look of the page: the system's own letters, light or dark as the reader has it, no resources. */
export const style = `
:root { color-scheme: light dark; --back: #f6f7f9; --card: #fff; --line: #e2e5ea; --text: #1b1f26;
  --soft: #5c6675; --good: #1a7f4b; --bad: #c0262d; --warn: #9a6400; --bar: #2f6fde; --track: #e8ebf0; }
@media (prefers-color-scheme: dark) { :root { --back: #14171c; --card: #1c2027; --line: #2d333d;
  --text: #e6e9ee; --soft: #98a2b1; --good: #4cc38a; --bad: #ff7b7f; --warn: #e5b454; --bar: #6ea0f8;
  --track: #2a303a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 76rem; margin: 0 auto; padding: 2rem 1.25rem; }
header { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: baseline; margin-bottom: 1.5rem; }
h1 { font-size: 1.5rem; margin: 0; letter-spacing: -.01em; }
h2 { font-size: 1rem; margin: 2rem 0 .6rem; }
code { font: .85em/1.4 ui-monospace, "Cascadia Mono", Menlo, monospace; color: var(--soft);
  overflow-wrap: anywhere; }
.state { font-weight: 600; white-space: nowrap; }
.state::before { content: "\\25CF"; margin-right: .4em; }
.good { color: var(--good); } .bad { color: var(--bad); } .warn { color: var(--warn); }
.soft { color: var(--soft); }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem; margin: 0; }
dl div, .sheet { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; }
dl div { padding: .7rem .9rem; }
dt { color: var(--soft); font-size: .82rem; }
dd { margin: 0; font-size: 1.25rem; font-weight: 600; font-variant-numeric: tabular-nums; }
dd small { font-size: .8rem; font-weight: 400; color: var(--soft); }
.sheet { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; }
th, td { padding: .6rem .9rem; text-align: left; vertical-align: top; border-top: 1px solid var(--line); }
thead th { border: 0; color: var(--soft); font-size: .82rem; font-weight: 500; white-space: nowrap; }
tbody th { font-weight: 600; min-width: 11rem; overflow-wrap: anywhere; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.disk { min-width: 10rem; font-size: .85rem; }
.disk svg { display: block; width: 100%; height: .4rem; margin: .4rem 0 .3rem; border-radius: .2rem;
  background: var(--track); }
.disk rect { fill: var(--bar); } .disk .bad rect { fill: var(--bad); }
.small { font-size: .85rem; }
footer { margin-top: 2rem; color: var(--soft); font-size: .85rem; }
a { color: inherit; }
`
