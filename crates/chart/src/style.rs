//! How charts look, light and dark: the one style sheet.
//!
//! The colours are those of Okabe and Ito, which people with any kind of colour vision tell apart,
//! darkened for a light ground and lightened for a dark one where the contrast asked for it.

/// The style sheet of all charts. It names only elements inside `svg.chart`, so a page's own rules and
/// these do not meet.
pub const STYLE: &str = "\
svg.chart{--ground:#fff;--ink:#1c1e21;--soft:#5b6168;--grid:#e4e6e9;--fine:#f1f2f4;--mark:#b3261e;\
--c0:#0068a8;--c1:#c75000;--c2:#00805d;--c3:#a83f7f;--c4:#8a6d00;--c5:#2f8fd0;--c6:#6b4fbb;--c7:#5b6168;\
background:var(--ground);max-width:100%;height:auto}
@media(prefers-color-scheme:dark){svg.chart{--ground:#16181c;--ink:#e8eaed;--soft:#a4aab2;--grid:#33373e;\
--fine:#22252a;--mark:#ff8a80;--c0:#5ab4f0;--c1:#ff9a4d;--c2:#3ad6a6;--c3:#ec9cce;--c4:#e8c842;\
--c5:#a5d8ff;--c6:#b9a4ff;--c7:#a4aab2}}
.chart text{font:12px/1.3 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;\
fill:var(--soft);font-variant-numeric:tabular-nums}
.chart .ground{fill:var(--ground)}
.chart text.title{font-size:17px;font-weight:600;fill:var(--ink)}
.chart text.subtitle{font-size:13px}
.chart text.legend{fill:var(--ink)}
.chart text.xtick,.chart text.xlabel,.chart text.ylabel,.chart text.empty{text-anchor:middle}
.chart text.ytick,.chart text.before{text-anchor:end}
.chart text.note,.chart text.before{fill:var(--ink);paint-order:stroke;stroke:var(--ground);\
stroke-width:4px;stroke-linejoin:round}
.chart path{fill:none;stroke-linejoin:round}
.chart .grid{stroke:var(--grid)}
.chart .fine{stroke:var(--fine)}
.chart .frame{stroke:var(--soft)}
.chart .mark{stroke:var(--soft);stroke-dasharray:2 3}
.chart .end{stroke:var(--mark);stroke-width:1.5}
.chart .line{stroke-width:2}
.chart .dot{stroke-width:7;stroke-linecap:round}
.chart .dashed{stroke-width:1.5;stroke-dasharray:7 5}
.chart .points{stroke-width:3;stroke-linecap:round;opacity:.45}
.chart .band{stroke:none;opacity:.2}
.chart .c0{stroke:var(--c0)}.chart .c1{stroke:var(--c1)}.chart .c2{stroke:var(--c2)}\
.chart .c3{stroke:var(--c3)}.chart .c4{stroke:var(--c4)}.chart .c5{stroke:var(--c5)}\
.chart .c6{stroke:var(--c6)}.chart .c7{stroke:var(--c7)}
.chart .band.c0{fill:var(--c0)}.chart .band.c1{fill:var(--c1)}.chart .band.c2{fill:var(--c2)}\
.chart .band.c3{fill:var(--c3)}.chart .band.c4{fill:var(--c4)}.chart .band.c5{fill:var(--c5)}\
.chart .band.c6{fill:var(--c6)}.chart .band.c7{fill:var(--c7)}
";

/// The class of a palette colour.
pub(crate) fn colour(index: usize) -> String {
    format!("c{}", index % crate::COLOURS)
}
