//! Plots as inline SVG: no style attribute and no script, so that the strictest page may show them.
//! Every mark is told apart by shape and by lightness, not by hue alone: they are printed in grey.

use std::fmt::Display;

/// Everything is drawn on a sheet of this width.
const WIDTH: f64 = 700.0;
const INK: &str = "#1d1d1f";
const LINE: &str = "#c8c8c8";
/// This period, and the one before.
const NOW: &str = "#8c2318";
const BEFORE: &str = "#d9d5cf";

/// One bar and what stands under it.
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) value: u64,
    /// None where the period before is not known.
    pub(super) before: Option<u64>,
}

/// One line of a plot of rates.
pub(super) struct Interval {
    pub(super) label: String,
    /// The text at its end.
    pub(super) note: String,
    /// Lower end, estimate, upper end, 0..1; none: nothing to draw.
    pub(super) rate: Option<[f64; 3]>,
    /// Its value in the span before.
    pub(super) before: Option<f64>,
}

/// One bar of shares that make up a whole.
pub(super) struct Shares {
    pub(super) label: String,
    pub(super) note: String,
    /// Up, offline, frozen, blinded, 0..1 each.
    pub(super) shares: [f64; 4],
}

/// SVG under way.
struct Drawing {
    text: String,
}

impl Drawing {
    fn new(height: f64, title: &str) -> Self {
        let text = format!(
            "<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\" \
             font-family=\"inherit\" font-size=\"11\" fill=\"{INK}\">\n",
            escape(title)
        );
        Self { text }
    }

    fn add(&mut self, markup: &str) {
        self.text.push_str(markup);
        self.text.push('\n');
    }

    fn words(&mut self, (x, y): (f64, f64), anchor: &str, words: impl Display) {
        let words = escape(&words.to_string());
        self.add(&format!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>"
        ));
    }

    fn path(&mut self, d: &str, stroke: &str, width: f64) {
        self.add(&format!(
            "<path d=\"{d}\" fill=\"none\" stroke=\"{stroke}\" stroke-width=\"{width}\"/>"
        ));
    }

    /// A box from its upper left corner, and what it says when it is pointed at.
    fn area(&mut self, (x, y): (f64, f64), (w, h): (f64, f64), fill: &str, title: &str) {
        self.add(&format!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" {fill}>\
             <title>{}</title></rect>",
            escape(title)
        ));
    }

    fn end(mut self) -> String {
        self.add("</svg>");
        self.text
    }
}

/// Columns, those of the period before broader and lighter behind those of this one.
pub(super) fn columns(title: &str, bars: &[Bar]) -> String {
    const TOP: f64 = 16.0;
    const HEIGHT: f64 = 105.0;
    const LEFT: f64 = 30.0;
    let most = bars.iter().map(|bar| bar.value.max(bar.before.unwrap_or(0))).max().unwrap_or(0);
    let step = tick(most);
    let top = most.div_ceil(step).max(1) * step;
    let bottom = TOP + HEIGHT;
    let y = |value: u64| bottom - real(value) / real(top) * HEIGHT;
    let mut drawing = Drawing::new(bottom + 22.0, title);
    for value in (0..=top).step_by(usize::try_from(step).unwrap_or(1)) {
        let stroke = if value == 0 { INK } else { LINE };
        drawing.path(&format!("M{LEFT} {:.1}H{WIDTH}", y(value)), stroke, 0.75);
        drawing.words((LEFT - 5.0, y(value) + 4.0), "end", value);
    }
    let slot = (WIDTH - LEFT) / real(bars.len().max(1) as u64);
    // Numbers and labels need some room each.
    let every = (bars.len() * 24).div_ceil(660).max(1);
    for (index, bar) in bars.iter().enumerate() {
        let middle = LEFT + slot * (real(index as u64) + 0.5);
        let said = match bar.before {
            Some(before) => format!("{}: {} ({before})", bar.label, bar.value),
            None => format!("{}: {}", bar.label, bar.value),
        };
        if let Some(before) = bar.before.filter(|before| *before > 0) {
            let w = slot * 0.86;
            let fill = format!("fill=\"{BEFORE}\" stroke=\"#8f8a83\" stroke-width=\"0.5\"");
            drawing.area((middle - w / 2.0, y(before)), (w, bottom - y(before)), &fill, &said);
        }
        if bar.value > 0 {
            let w = slot * 0.5;
            let fill = format!("fill=\"{NOW}\"");
            drawing.area(
                (middle - w / 2.0, y(bar.value)),
                (w, bottom - y(bar.value)),
                &fill,
                &said,
            );
        }
        if index % every == 0 {
            drawing.words((middle, bottom + 15.0), "middle", &bar.label);
        }
    }
    drawing.end()
}

/// Rates with their intervals; what it was before as a ring.
pub(super) fn intervals(title: &str, lines: &[Interval]) -> String {
    const LEFT: f64 = 150.0;
    const RIGHT: f64 = 90.0;
    const ROW: f64 = 22.0;
    let bottom = ROW * real(lines.len() as u64) + 4.0;
    let x = |share: f64| LEFT + share * (WIDTH - LEFT - RIGHT);
    let mut drawing = Drawing::new(bottom + 20.0, title);
    for quarter in 0..=4u8 {
        let share = f64::from(quarter) / 4.0;
        drawing.path(&format!("M{:.1} 2V{bottom:.1}", x(share)), LINE, 0.75);
        drawing.words((x(share), bottom + 14.0), "middle", format!("{} %", quarter * 25));
    }
    for (index, line) in lines.iter().enumerate() {
        let y = ROW * (real(index as u64) + 0.5) + 2.0;
        drawing.words((LEFT - 10.0, y + 4.0), "end", &line.label);
        drawing.words((WIDTH - RIGHT + 12.0, y + 4.0), "start", &line.note);
        if let Some(before) = line.before {
            let at = x(before);
            drawing.add(&format!(
                "<circle cx=\"{at:.1}\" cy=\"{y:.1}\" r=\"5\" fill=\"#fff\" stroke=\"{INK}\"/>"
            ));
        }
        if let Some([low, estimate, high]) = line.rate {
            let (low, high, at) = (x(low), x(high), x(estimate));
            let (above, below) = (y - 4.0, y + 4.0);
            let ends = format!(
                "M{low:.1} {y:.1}H{high:.1}M{low:.1} {above:.1}V{below:.1}M{high:.1} \
                 {above:.1}V{below:.1}"
            );
            drawing.path(&ends, NOW, 1.5);
            drawing
                .add(&format!("<circle cx=\"{at:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{NOW}\"/>"));
        }
    }
    drawing.end()
}

/// Bars of shares: up is dark, offline empty, frozen hatched, blinded dotted.
pub(super) fn shares(title: &str, lines: &[Shares], legend: [&str; 4]) -> String {
    const LEFT: f64 = 150.0;
    const RIGHT: f64 = 90.0;
    const ROW: f64 = 18.0;
    const BELOW: f64 = 26.0;
    let fills = ["#5d6b62", "#fff", "url(#keng-hatched)", "url(#keng-dotted)"];
    let fill =
        |index: usize| format!("fill=\"{}\" stroke=\"{INK}\" stroke-width=\"0.6\"", fills[index]);
    let bottom = ROW * real(lines.len() as u64);
    let mut drawing = Drawing::new(bottom + BELOW, title);
    drawing.add(PATTERNS);
    for (index, line) in lines.iter().enumerate() {
        let y = ROW * real(index as u64) + 3.0;
        drawing.words((LEFT - 10.0, y + 10.0), "end", &line.label);
        drawing.words((WIDTH - RIGHT + 12.0, y + 10.0), "start", &line.note);
        let mut from = LEFT;
        for (part, share) in line.shares.iter().enumerate().filter(|(_, share)| **share > 0.0) {
            let w = share * (WIDTH - LEFT - RIGHT);
            let said = format!("{}: {}", line.label, legend[part]);
            drawing.area((from, y), (w, ROW - 5.0), &fill(part), &said);
            from += w;
        }
    }
    for (part, name) in legend.into_iter().enumerate() {
        let x = LEFT + real(part as u64) * 125.0;
        drawing.area((x, bottom + 9.0), (14.0, 10.0), &fill(part), name);
        drawing.words((x + 19.0, bottom + 18.0), "start", name);
    }
    drawing.end()
}

const PATTERNS: &str = "<defs>\
    <pattern id=\"keng-hatched\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\">\
    <rect width=\"5\" height=\"5\" fill=\"#fff\"/>\
    <path d=\"M0 5L5 0\" stroke=\"#1d1d1f\" stroke-width=\"1.2\"/></pattern>\
    <pattern id=\"keng-dotted\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\">\
    <rect width=\"5\" height=\"5\" fill=\"#d9d5cf\"/>\
    <circle cx=\"2.5\" cy=\"2.5\" r=\"1.3\" fill=\"#1d1d1f\"/></pattern></defs>";

/// Two squares that say which columns are which.
pub(super) fn key(now: &str, before: Option<&str>) -> String {
    let square = |fill: &str| format!("<rect x=\"1\" y=\"1\" width=\"10\" height=\"10\" {fill}/>");
    let later = square(&format!("fill=\"{BEFORE}\" stroke=\"#8f8a83\""));
    signs((&square(&format!("fill=\"{NOW}\"")), now), before.map(|name| (later.as_str(), name)))
}

/// A point and a ring that say which rates are which.
pub(super) fn rates_key(now: &str, before: Option<&str>) -> String {
    let point = format!(
        "<path d=\"M0 6H12\" stroke=\"{NOW}\" stroke-width=\"1.5\"/>\
         <circle cx=\"6\" cy=\"6\" r=\"3.5\" fill=\"{NOW}\"/>"
    );
    let ring = format!("<circle cx=\"6\" cy=\"6\" r=\"5\" fill=\"#fff\" stroke=\"{INK}\"/>");
    signs((&point, now), before.map(|name| (ring.as_str(), name)))
}

fn signs(now: (&str, &str), before: Option<(&str, &str)>) -> String {
    let sign = |(shape, name): (&str, &str)| {
        format!(
            "<svg class=\"key\" viewBox=\"0 0 12 12\" width=\"12\" height=\"12\" \
             aria-hidden=\"true\">{shape}</svg> {}",
            escape(name)
        )
    };
    let mut text = sign(now);
    if let Some(before) = before {
        text.push_str(" &#160; ");
        text.push_str(&sign(before));
    }
    text
}

/// The distance of lines such that there are five of them at most: 1, 2 or 5 with zeros.
fn tick(most: u64) -> u64 {
    let mut power = 1u64;
    loop {
        for step in [1, 2, 5] {
            let step = power.saturating_mul(step);
            if most.div_ceil(step) <= 4 {
                return step;
            }
        }
        power = power.saturating_mul(10);
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts to draw")]
fn real(number: u64) -> f64 {
    number as f64
}

/// For text and for attributes.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // No XML has them, and nobody needs them.
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_at_most_five_lines() {
        for (most, step) in [(0, 1), (1, 1), (4, 1), (5, 2), (8, 2), (9, 5), (21, 10), (1_000, 500)]
        {
            assert_eq!(tick(most), step, "{most}");
        }
        assert!(tick(u64::MAX) >= u64::MAX / 5);
    }

    #[test]
    fn what_is_no_markup_stays_none() {
        assert_eq!(escape("<a b=\"'&\u{0}\">"), "&lt;a b=&quot;&#39;&amp; &quot;&gt;");
    }
}
