//! The growth of figures with the number of cameras, as a small SVG: one curve each, its
//! promise dashed.

use std::fmt::Write as _;

use crate::daemon::Kind;
use crate::tell;
use crate::tell::Round;

const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 150.0;
/// Room for labels: left, above, below.
const MARGIN: (f64, f64, f64) = (44.0, 24.0, 26.0);

struct Curve {
    title: &'static str,
    of: fn(&Round) -> f64,
    promised: Option<f64>,
}

/// Processor, staleness, latency and memory over the number of cameras.
pub(crate) fn knee(rounds: &[Round]) -> Result<String, std::fmt::Error> {
    let gap = rounds.first().map(Round::gap_promised_s);
    let curves = [
        Curve { title: "% of the machine", of: Round::load, promised: Some(tell::CPU_MAX) },
        Curve { title: "longest time without a look, s", of: Round::gap_max_s, promised: gap },
        Curve {
            title: "frame to subscriber, p99, ms",
            of: Round::p99_ms,
            promised: Some(tell::P99_MAX_MS),
        },
        Curve { title: "memory, MiB", of: Round::memory, promised: Some(tell::MEMORY_MAX_MIB) },
    ];
    let (across, down) = (WIDTH + MARGIN.0 + 16.0, HEIGHT + MARGIN.1 + MARGIN.2);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{:.0}\" height=\"{:.0}\" \
         font-family=\"sans-serif\" font-size=\"11\" fill=\"#333\">\n<rect width=\"100%\" \
         height=\"100%\" fill=\"#fff\"/>\n",
        across * 2.0,
        down * 2.0
    );
    for (place, curve) in curves.iter().enumerate() {
        let (x, y) = ((place % 2) as f64 * across + MARGIN.0, (place / 2) as f64 * down + MARGIN.1);
        writeln!(svg, "<g transform=\"translate({x:.0} {y:.0})\">")?;
        panel(&mut svg, curve, rounds)?;
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

fn panel(svg: &mut String, curve: &Curve, rounds: &[Round]) -> std::fmt::Result {
    let finite = |round: &&Round| (curve.of)(round).is_finite();
    let values = rounds.iter().filter(finite).map(curve.of);
    let top = values.chain(curve.promised).fold(0.0, f64::max).max(1e-9) * 1.1;
    let most = rounds.iter().map(Round::count).fold(1.0, f64::max);
    let at = |count: f64, value: f64| (count / most * WIDTH, HEIGHT * (1.0 - value / top));
    writeln!(svg, "<text x=\"0\" y=\"-8\" font-weight=\"bold\">{}</text>", curve.title)?;
    writeln!(svg, "<path d=\"M0 0V{HEIGHT}H{WIDTH}\" fill=\"none\" stroke=\"#888\"/>")?;
    for round in rounds {
        let x = at(round.count(), 0.0).0;
        let count = round.count();
        writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{count}</text>",
            HEIGHT + 15.0
        )?;
    }
    for value in [0.0, top / 2.2, top / 1.1] {
        let y = at(0.0, value).1 + 4.0;
        writeln!(svg, "<text x=\"-5\" y=\"{y:.1}\" text-anchor=\"end\">{value:.1}</text>")?;
    }
    if let Some(promised) = curve.promised {
        let y = at(0.0, promised).1;
        writeln!(svg, "<path d=\"M0 {y:.1}H{WIDTH}\" stroke=\"#c33\" stroke-dasharray=\"5 4\"/>")?;
    }
    for (kind, color) in [(Kind::Keng, "#06c"), (Kind::Peer, "#e80")] {
        let of = rounds.iter().filter(|round| round.kind() == kind).filter(finite);
        let points: Vec<(f64, f64)> =
            of.map(|round| at(round.count(), (curve.of)(round))).collect();
        let line: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>",
            line.join(" ")
        )?;
        for (x, y) in points {
            writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{color}\"/>")?;
        }
    }
    Ok(())
}
