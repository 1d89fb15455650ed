//! For spreadsheets: one tidy table (RFC 4180), a figure a row.
//!
//! `figure,khu_pho,key,value,before`: which figure, of which neighbourhood (empty: of all), of
//! which part (a kind, an hour, a day, a camera, a percentile), in this period, in the one before.
//! Points for decimals; empty where there is no figure. A day stands beside the day that has its
//! place in the period before.

use super::{Both, Figures, Rate, Summary, Times};

/// The report as CSV.
pub fn render(figures: &Figures) -> String {
    let mut sheet = Sheet { text: String::new(), comparable: figures.before.complete };
    sheet.row(["figure", "khu_pho", "key", "value", "before"]);
    sheet.period(figures);
    sheet.summary("", &figures.total);
    for khu_pho in &figures.khu_pho {
        sheet.summary(&khu_pho.id, &khu_pho.figures);
    }
    for camera in &figures.cameras {
        let Both { value, before } = &camera.figures;
        let pairs = [
            ("camera_uptime", value.uptime.share, before.uptime.share),
            ("camera_up_h", hours(value.uptime.up_ms), hours(before.uptime.up_ms)),
            ("camera_offline_h", hours(value.uptime.offline_ms), hours(before.uptime.offline_ms)),
            ("camera_frozen_h", hours(value.uptime.frozen_ms), hours(before.uptime.frozen_ms)),
            ("camera_blinded_h", hours(value.uptime.blinded_ms), hours(before.uptime.blinded_ms)),
        ];
        let place = (camera.khu_pho.as_str(), camera.id.as_str());
        for (figure, value, before) in pairs {
            sheet.number((figure, place.0, place.1), value, before);
        }
        sheet.count(("camera_incidents", place.0, place.1), value.incidents, before.incidents);
        let false_alarms = (value.false_alarms, before.false_alarms);
        sheet.count(("camera_false_alarms", place.0, place.1), false_alarms.0, false_alarms.1);
    }
    sheet.text
}

struct Sheet {
    text: String,
    /// The period before is known.
    comparable: bool,
}

/// The subject of a row: figure, khu phố, key.
type Of<'a> = (&'a str, &'a str, &'a str);

impl Sheet {
    fn row(&mut self, cells: [&str; 5]) {
        for (column, cell) in cells.into_iter().enumerate() {
            if column > 0 {
                self.text.push(',');
            }
            if cell.contains([',', '"', '\r', '\n']) {
                self.text.push('"');
                self.text.push_str(&cell.replace('"', "\"\""));
                self.text.push('"');
            } else {
                self.text.push_str(cell);
            }
        }
        self.text.push_str("\r\n");
    }

    fn pair(&mut self, of: Of<'_>, value: &str, before: &str) {
        let before = if self.comparable { before } else { "" };
        self.row([of.0, of.1, of.2, value, before]);
    }

    fn count(&mut self, of: Of<'_>, value: u64, before: u64) {
        self.pair(of, &value.to_string(), &before.to_string());
    }

    fn number(&mut self, of: Of<'_>, value: Option<f64>, before: Option<f64>) {
        self.pair(of, &decimal(value), &decimal(before));
    }

    /// Writes the days that the figures are of; the period before stands there though it may not be
    /// known.
    fn period(&mut self, figures: &Figures) {
        let (now, then) = (&figures.period, &figures.before);
        let text = |date: jiff::civil::Date| date.to_string();
        self.row(["period", "", "from", &text(now.span.from), &text(then.span.from)]);
        self.row(["period", "", "to", &text(now.span.to), &text(then.span.to)]);
        let known = |complete: bool| if complete { "1" } else { "0" };
        self.row(["period", "", "complete", known(now.complete), known(then.complete)]);
        self.number(("period", "", "watched"), Some(now.watched), Some(then.watched));
    }

    fn summary(&mut self, khu_pho: &str, both: &Both<Summary>) {
        let Both { value, before } = both;
        self.count(("incidents", khu_pho, ""), value.incidents, before.incidents);
        for (kind, count) in &value.by_kind {
            let earlier = before.by_kind.get(kind).copied().unwrap_or(0);
            self.count(("incidents_by_kind", khu_pho, kind), *count, earlier);
        }
        for (hour, (count, earlier)) in value.by_hour.iter().zip(&before.by_hour).enumerate() {
            self.count(("incidents_by_hour", khu_pho, &format!("{hour:02}")), *count, *earlier);
        }
        for (day, earlier) in value.by_day.iter().zip(&before.by_day) {
            let date = day.date.to_string();
            self.count(("incidents_by_day", khu_pho, &date), day.incidents, earlier.incidents);
        }
        let (now, then) = (value.verdicts, before.verdicts);
        for (key, count, earlier) in [
            ("real", now.real, then.real),
            ("false_alarm", now.false_alarm, then.false_alarm),
            ("unanswered", now.unanswered, then.unanswered),
            ("open", now.open, then.open),
        ] {
            self.count(("verdicts", khu_pho, key), count, earlier);
        }
        self.count(("escalated", khu_pho, ""), value.escalated, before.escalated);
        self.rate((khu_pho, "all"), value.false_alarms, before.false_alarms);
        for (kind, rate) in &value.false_alarms_by_kind {
            let earlier = before.false_alarms_by_kind.get(kind).copied().unwrap_or_default();
            self.rate((khu_pho, kind), *rate, earlier);
        }
        self.times("acknowledge", khu_pho, (&value.acknowledge, &before.acknowledge));
        self.times("arrive", khu_pho, (&value.arrive, &before.arrive));
        self.times("duration", khu_pho, (&value.duration, &before.duration));
        let (now, then) = (&value.drills, &before.drills);
        self.count(("drills", khu_pho, ""), now.count, then.count);
        self.times("drill_acknowledge", khu_pho, (&now.acknowledge, &then.acknowledge));
        self.times("drill_arrive", khu_pho, (&now.arrive, &then.arrive));
        self.times("drill_duration", khu_pho, (&now.duration, &then.duration));
        let (now, then) = (value.camera_faults, before.camera_faults);
        for (key, count, earlier) in [
            ("offline", now.offline, then.offline),
            ("frozen", now.frozen, then.frozen),
            ("blinded", now.blinded, then.blinded),
            ("clock", now.clock, then.clock),
        ] {
            self.count(("camera_faults", khu_pho, key), count, earlier);
        }
        self.number(("uptime", khu_pho, ""), value.uptime.share, before.uptime.share);
    }

    /// Of (khu phố, kind).
    fn rate(&mut self, of: (&str, &str), now: Rate, then: Rate) {
        self.count(("false_alarm_told", of.0, of.1), now.told, then.told);
        self.number(("false_alarm_rate", of.0, of.1), now.share, then.share);
        self.number(("false_alarm_rate_low", of.0, of.1), now.low, then.low);
        self.number(("false_alarm_rate_high", of.0, of.1), now.high, then.high);
    }

    fn times(&mut self, figure: &str, khu_pho: &str, (now, then): (&Times, &Times)) {
        self.count((&format!("{figure}_n"), khu_pho, ""), now.n, then.n);
        let seconds = format!("{figure}_s");
        self.number((&seconds, khu_pho, "p50"), now.p50_s, then.p50_s);
        self.number((&seconds, khu_pho, "p90"), now.p90_s, then.p90_s);
    }
}

/// No more digits than say something.
fn decimal(number: Option<f64>) -> String {
    let Some(number) = number else { return String::new() };
    let text = format!("{number:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[expect(clippy::cast_precision_loss, reason = "hours with four decimals")]
fn hours(ms: u64) -> Option<f64> {
    Some(ms as f64 / 3_600_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        let mut sheet = Sheet { text: String::new(), comparable: false };
        sheet.row(["a", "b,c", "d\"e", "", "f\ng"]);
        sheet.number(("x", "", ""), Some(0.25), Some(1.0));
        assert_eq!(sheet.text, "a,\"b,c\",\"d\"\"e\",,\"f\ng\"\r\nx,,,0.25,\r\n");
    }
}
