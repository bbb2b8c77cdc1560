/** Of the page that shows the API. */
export const style = `
:root { color-scheme: light dark; --line: light-dark(#d0d7de, #3d444d); --quiet: light-dark(#59636e, #9198a1); --code: light-dark(#f3f5f7, #22272e); }
body { margin: 0; display: grid; grid-template-columns: 23rem minmax(0, 60rem); gap: 2.5rem; font: 15px/1.5 system-ui, sans-serif; }
nav { position: sticky; top: 0; height: 100vh; overflow: auto; box-sizing: border-box; padding: 1.5rem 0 1.5rem 1.5rem; border-right: 1px solid var(--line); }
nav ul { list-style: none; margin: 0 0 1rem; padding: 0; }
nav li { margin: .15rem 0; white-space: nowrap; }
main { padding: 1.5rem 1.5rem 6rem 0; }
a { color: light-dark(#0550ae, #6cb6ff); text-decoration: none; }
a:hover { text-decoration: underline; }
code { font: .92em ui-monospace, monospace; background: var(--code); border-radius: 4px; padding: .1em .3em; overflow-wrap: anywhere; }
h2 { margin-top: 3rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line); }
section { margin: 2rem 0; scroll-margin-top: 1rem; }
h3 { margin-bottom: .2rem; scroll-margin-top: 1rem; }
.method { display: inline-block; min-width: 4.2rem; font: 600 .75em ui-monospace, monospace; }
.get { color: light-dark(#1a7f37, #57ab5a); }
.post { color: light-dark(#9a6700, #c69026); }
.put, .patch { color: light-dark(#0550ae, #6cb6ff); }
.delete { color: light-dark(#cf222e, #f47067); }
.quiet, .type { color: var(--quiet); }
p { margin: .4rem 0; }
h4 { margin: 1rem 0 .2rem; font-size: .95em; }
section ul { margin: .3rem 0; list-style: none; padding-left: 1rem; }
ul ul { border-left: 1px solid var(--line); padding-left: 1.2rem; list-style: none; }
section ul + ul { border-top: 1px solid var(--line); padding-top: .3rem; }
section li { margin: .25rem 0; }
@media (max-width: 60rem) { body { display: block; } nav { position: static; height: auto; border: 0; padding: 1.5rem; } main { padding: 1.5rem; } }
`;
