//! The plot of errors over rates, as SVG.

use std::fmt::Write as _;

/// One line of the plot: its name, and for each rate the median, the 95th percentile and the mean.
pub type Series<'a> = (&'a str, Vec<(f64, f64, f64)>);

const COLORS: [&str; 6] = ["#1b6ca8", "#c0392b", "#2e7d32", "#8e44ad", "#d68910", "#546e7a"];
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 400.0;
/// Left, top, right, bottom.
const FRAME: [f64; 4] = [60.0, 30.0, 540.0, 340.0];
const ERROR_MAX_S: f64 = 30.0;

/// Writes it to `path` of the repository. Rates are on a logarithmic axis; the median is a full
/// line, the 95th percentile a broken one.
pub fn write(path: &str, rates: &[f64], series: &[Series<'_>]) {
    let [left, top, right, bottom] = FRAME;
    let (first, last) = (rates[0].log2(), rates[rates.len() - 1].log2());
    let x = |rate: f64| left + (rate.log2() - first) / (last - first) * (right - left);
    let y = |error: f64| bottom - error.min(ERROR_MAX_S) / ERROR_MAX_S * (bottom - top);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
         viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let mut line = |text: String| svg.push_str(&(text + "\n"));
    for error in [0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0] {
        let y = y(error);
        line(format!("<path d=\"M{left} {y:.1}H{right}\" stroke=\"#ddd\"/>"));
        line(format!(
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{error}</text>",
            left - 8.0,
            y + 4.0
        ));
    }
    for rate in rates {
        let x = x(*rate);
        line(format!("<path d=\"M{x:.1} {top}V{bottom}\" stroke=\"#eee\"/>"));
        line(format!(
            "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{rate}</text>",
            bottom + 18.0
        ));
    }
    let middle = f64::midpoint(left, right);
    line(format!(
        "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">frames a second</text>",
        bottom + 38.0
    ));
    line(format!(
        "<text x=\"{left}\" y=\"18\">error of dwell, seconds: median, and 95th \
         percentile (broken line)</text>"
    ));
    for (index, (name, row)) in series.iter().enumerate() {
        let color = COLORS[index % COLORS.len()];
        for (broken, values) in [(false, 0), (true, 1)] {
            let mut points = String::new();
            for (rate, value) in rates.iter().zip(row) {
                let error = if values == 0 { value.0 } else { value.1 };
                write!(points, "{:.1},{:.1} ", x(*rate), y(error)).unwrap();
            }
            let dash = if broken { " stroke-dasharray=\"4 4\"" } else { "" };
            let points = points.trim_end();
            line(format!(
                "<polyline points=\"{points}\" fill=\"none\" stroke=\"{color}\" \
                 stroke-width=\"2\"{dash}/>"
            ));
        }
        let at = top + 16.0 + 20.0 * index as f64;
        line(format!(
            "<path d=\"M{} {}h24\" stroke=\"{color}\" stroke-width=\"2\"/>",
            right + 16.0,
            at - 4.0
        ));
        line(format!("<text x=\"{}\" y=\"{at}\">{name}</text>", right + 48.0));
    }
    svg.push_str("</svg>\n");
    let root = crate::root();
    std::fs::write(root.join(path), svg).unwrap();
}
