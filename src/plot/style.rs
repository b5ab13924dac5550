//! Colors and fonts of all plots.

/// The style sheet of every picture. `:root` is the page, or the standalone SVG file.
///
/// Series differ in lightness, and in hues that color-blind people can tell apart; from the fourth
/// on, also in dashes. The colors of the heat map have a single hue: the higher the count, the more
/// they differ from the background, in light and in dark mode.
pub const CSS: &str = r#"
:root{color-scheme:light dark;
--surface:#ffffff;--raised:#f6f6f3;--ink:#1b1b1a;--soft:#5b5a55;--grid:#e5e4df;--axis:#a5a39b;
--alert:#c22b2b;--alert-surface:#fdf0ef;--warn:#965800;
--s1:#2a78d6;--s2:#d9541e;--s3:#0f8a5f;--s4:#b8860b;--s5:#c2478a;--s6:#4a3aa7;--s7:#0a7d8c;
--s8:#7a5230;--s9:#5d7a12;
--h1:#b9d6f7;--h2:#93bff2;--h3:#6da7ec;--h4:#478fe0;
--h5:#2a74cc;--h6:#1c5aa8;--h7:#134080;--h8:#0a2756;
--over:#d9541e}
@media screen and (prefers-color-scheme:dark){:root{
--surface:#17181a;--raised:#212326;--ink:#f2f1ee;--soft:#b4b2aa;--grid:#303236;--axis:#6f6e69;
--alert:#ff7a70;--alert-surface:#3a1d1c;--warn:#f0a836;
--s1:#5aa2f2;--s2:#f2814d;--s3:#35b98a;--s4:#e0b13a;--s5:#ec86b9;--s6:#a99cf5;--s7:#4fc3d1;
--s8:#d0a27c;--s9:#b5d25a;
--h1:#16365f;--h2:#1a4a85;--h3:#2161ad;--h4:#2f7ad3;
--h5:#5598e7;--h6:#83b5f0;--h7:#b3d2f7;--h8:#e6f1fd;
--over:#f9a03f}}
.plot{display:block;width:100%;height:auto;background:var(--surface)}
.plot text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;
fill:var(--soft);font-variant-numeric:tabular-nums}
.plot .heading{font-size:15px;font-weight:600;fill:var(--ink)}
.plot .key{fill:var(--ink)}
.plot .note{font-size:11px;fill:var(--ink);
paint-order:stroke;stroke:var(--surface);stroke-width:3px}
.plot .span{fill:var(--s6);fill-opacity:.75}.plot .span.other{fill:var(--s7)}
.plot .edge{stroke:var(--s6);stroke-opacity:.45;shape-rendering:crispEdges}
.plot .moment{stroke:var(--s5);stroke-width:1.5;stroke-dasharray:4 3}
.plot .alert{fill:var(--alert);paint-order:stroke;stroke:var(--surface);stroke-width:3px}
.plot .fine,.plot .grid,.plot .axis{stroke:var(--grid);stroke-width:1;shape-rendering:crispEdges}
.plot .fine{opacity:.45}.plot .axis{stroke:var(--axis)}
.plot .back{fill:var(--surface)}
.plot .bar{fill:var(--s1)}
.plot .none{fill:var(--alert)}
.plot .hint{fill:transparent}.plot .hint:hover{fill:var(--ink);fill-opacity:.08}
.plot .cell{shape-rendering:crispEdges}
.plot .line{fill:none;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:butt}
.plot .line.halo{stroke:var(--surface);stroke-width:4;stroke-opacity:.75}
.plot .halo{fill:none}
.plot .band{stroke:none;fill-opacity:.24}.plot .under{stroke:none;fill-opacity:.1}
.s1{stroke:var(--s1);fill:var(--s1)}.s2{stroke:var(--s2);fill:var(--s2)}
.s3{stroke:var(--s3);fill:var(--s3)}.s4{stroke:var(--s4);fill:var(--s4)}
.s5{stroke:var(--s5);fill:var(--s5)}.s6{stroke:var(--s6);fill:var(--s6)}
.s7{stroke:var(--s7);fill:var(--s7)}.s8{stroke:var(--s8);fill:var(--s8)}
.s9{stroke:var(--s9);fill:var(--s9)}.over1,.over2{stroke:var(--over);fill:var(--over)}
.line.s4{stroke-dasharray:8 3}.line.s5{stroke-dasharray:2.5 2.5}.line.s6{stroke-dasharray:9 3 2 3}
.line.s7{stroke-dasharray:14 4}.line.s8{stroke-dasharray:6 2}
.line.s9{stroke-dasharray:1 3}.line.over2{stroke-dasharray:5 3}
.h1{fill:var(--h1)}.h2{fill:var(--h2)}.h3{fill:var(--h3)}.h4{fill:var(--h4)}
.h5{fill:var(--h5)}.h6{fill:var(--h6)}.h7{fill:var(--h7)}.h8{fill:var(--h8)}
"#;
