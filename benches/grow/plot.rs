//! Small curves, both axes logarithmic: a straight line's slope is the exponent.

use std::fmt::Write as _;

use crate::Series;

const WIDTH: f64 = 200.0;
const HEIGHT: f64 = 110.0;
const ACROSS: usize = 3;
/// Room for labels.
const MARGIN: (f64, f64) = (56.0, 60.0);

/// Values' labels are at least so far apart: of equal ones the first stands for all.
const APART: f64 = 10.0;

/// One panel a series.
pub(crate) fn curves(all: &[Series]) -> Result<String, std::fmt::Error> {
    let (across, down) = (WIDTH + MARGIN.0 + 14.0, HEIGHT + MARGIN.1);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{:.0}\" height=\"{:.0}\" \
         font-family=\"sans-serif\" font-size=\"10\" fill=\"#333\">\n<rect width=\"100%\" \
         height=\"100%\" fill=\"#fff\"/>\n",
        across * ACROSS as f64,
        down * all.len().div_ceil(ACROSS) as f64
    );
    for (place, series) in all.iter().enumerate() {
        let x = (place % ACROSS) as f64 * across + MARGIN.0;
        let y = (place / ACROSS) as f64 * down + 28.0;
        writeln!(svg, "<g transform=\"translate({x:.0} {y:.0})\">")?;
        panel(&mut svg, series)?;
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

fn panel(svg: &mut String, series: &Series) -> std::fmt::Result {
    let points: Vec<(f64, f64)> =
        series.points.iter().map(|(size, us)| (size.max(0.5), us.max(1e-3))).collect();
    let span = |of: fn(&(f64, f64)) -> f64| {
        let values = || points.iter().map(of);
        let (low, high) =
            (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max).max(1e-3));
        (low.ln(), (high.ln() - low.ln()).max(1e-9))
    };
    let ((left, wide), (low, high)) = (span(|p| p.0), span(|p| p.1));
    // A decade at least, so that what is constant looks so.
    let high = high.max(10f64.ln());
    let at = |(size, us): (f64, f64)| {
        ((size.ln() - left) / wide * WIDTH, HEIGHT * (1.0 - (us.ln() - low) / high))
    };
    writeln!(svg, "<text y=\"-16\" font-weight=\"bold\">{}</text>", series.title)?;
    writeln!(svg, "<text y=\"-4\">µs over {}</text>", series.over)?;
    writeln!(svg, "<path d=\"M0 0V{HEIGHT}H{WIDTH}\" fill=\"none\" stroke=\"#888\"/>")?;
    let (mut line, mut labels) = (String::new(), Vec::new());
    for (point, (size, us)) in points.iter().zip(&series.points) {
        let (x, y) = at(*point);
        write!(line, "{x:.1},{y:.1} ")?;
        writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\" fill=\"#06c\"/>")?;
        let below = HEIGHT + 13.0;
        let size = short(*size);
        writeln!(svg, "<text x=\"{x:.1}\" y=\"{below}\" text-anchor=\"middle\">{size}</text>")?;
        if labels.iter().all(|other: &f64| (other - y).abs() >= APART) {
            labels.push(y);
            let y = y + 3.0;
            writeln!(svg, "<text x=\"-4\" y=\"{y:.1}\" text-anchor=\"end\">{us:.1}</text>")?;
        }
    }
    writeln!(svg, "<polyline points=\"{line}\" fill=\"none\" stroke=\"#06c\"/>")
}

/// As short as it can be said.
fn short(size: f64) -> String {
    match size {
        1e6.. => format!("{}M", size / 1e6),
        1e4.. => format!("{}k", size / 1e3),
        _ => size.to_string(),
    }
}
