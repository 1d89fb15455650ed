//! A line plot over a logarithmic axis, as SVG text: no more than the documents need.

use std::fmt::Write as _;

/// One panel: its title, the top of its axis, its lines.
pub struct Panel<'a> {
    pub title: &'a str,
    pub top: f64,
    pub lines: &'a [Line<'a>],
}

pub struct Line<'a> {
    pub name: &'a str,
    pub colour: &'a str,
    /// x (over 0) and y, by x.
    pub points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 640.0;
const LEFT: f64 = 50.0;
const RIGHT: f64 = 150.0;
const HEIGHT: f64 = 170.0;
const ABOVE: f64 = 34.0;

/// Panels one below the other, over the same `ticks` of x.
pub fn svg(panels: &[Panel<'_>], ticks: &[f64], x_title: &str) -> String {
    let step = HEIGHT + ABOVE;
    let height = step * panels.len() as f64 + 46.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let (first, last) = (ticks[0].ln(), ticks[ticks.len() - 1].ln());
    let x = |value: f64| LEFT + (value.ln() - first) / (last - first) * (WIDTH - LEFT - RIGHT);
    for (index, panel) in panels.iter().enumerate() {
        let bottom = step * (index + 1) as f64;
        let y = |value: f64| bottom - (value / panel.top).min(1.0) * HEIGHT;
        text(&mut out, (LEFT, bottom - HEIGHT - 12.0), "start", panel.title);
        for share in [0.0, 0.5, 1.0] {
            let (at, value) = (y(share * panel.top), share * panel.top);
            let right = WIDTH - RIGHT;
            writeln!(out, "<path d=\"M{LEFT} {at:.1}H{right}\" stroke=\"#ccc\" fill=\"none\"/>")
                .unwrap();
            text(&mut out, (LEFT - 6.0, at + 4.0), "end", &format!("{value}"));
        }
        for (row, line) in panel.lines.iter().enumerate() {
            let points: Vec<String> =
                line.points.iter().map(|(px, py)| format!("{:.1},{:.1}", x(*px), y(*py))).collect();
            writeln!(
                out,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>",
                points.join(" "),
                line.colour
            )
            .unwrap();
            let at = bottom - HEIGHT + 14.0 + 18.0 * row as f64;
            let left = WIDTH - RIGHT + 12.0;
            writeln!(
                out,
                "<path d=\"M{left} {:.1}h16\" stroke=\"{}\" stroke-width=\"2\"/>",
                at - 4.0,
                line.colour
            )
            .unwrap();
            text(&mut out, (left + 22.0, at), "start", line.name);
        }
    }
    let bottom = step * panels.len() as f64;
    for tick in ticks {
        text(&mut out, (x(*tick), bottom + 18.0), "middle", &format!("{tick}"));
    }
    text(&mut out, ((LEFT + WIDTH - RIGHT) / 2.0, bottom + 38.0), "middle", x_title);
    out + "</svg>\n"
}

fn text(out: &mut String, at: (f64, f64), anchor: &str, words: &str) {
    writeln!(
        out,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{words}</text>",
        at.0, at.1
    )
    .unwrap();
}
