//! The report's tables, as texts in one language: for the terminal and for paper.

use super::words::{NONE, Words};
use super::{Both, CameraFigures, Figures, Rate, Summary, Times};
use crate::incident::Kind;

/// Rows of cells under a head; the first cell of each names it, numbers stand in the others.
pub(super) struct Table {
    pub(super) title: &'static str,
    pub(super) head: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
    /// The last row is their sum.
    pub(super) has_sum: bool,
}

/// Writes tables of one report.
#[derive(Clone, Copy)]
pub(super) struct Tables<'a> {
    pub(super) figures: &'a Figures,
    pub(super) words: Words,
}

impl Tables<'_> {
    fn comparable(self) -> bool {
        self.figures.before.complete
    }

    fn before(self, number: u64) -> String {
        if self.comparable() { self.words.count(number) } else { NONE.to_owned() }
    }

    /// A name, what it was, what it is, and how that differs.
    fn compared(self, name: &str, both: Both<u64>) -> Vec<String> {
        let Both { value, before } = both;
        vec![
            name.to_owned(),
            self.words.count(value),
            self.before(before),
            self.words.change(value, before, self.comparable()),
        ]
    }

    fn compared_head(self, what: &'static str) -> Vec<&'static str> {
        let w = self.words;
        let now = w.say("Kỳ này", "Period");
        vec![what, now, w.say("Kỳ trước", "Before"), w.say("So với kỳ trước", "Change")]
    }

    pub(super) fn kinds(self) -> Table {
        let w = self.words;
        let Both { value, before } = &self.figures.total;
        let of = |summary: &Summary, kind: Kind| {
            summary.by_kind.get(kind.as_str()).copied().unwrap_or(0)
        };
        let row = |kind: Kind| {
            let both = Both { value: of(value, kind), before: of(before, kind) };
            self.compared(w.kind(kind), both)
        };
        let mut rows: Vec<_> = super::kinds().map(row).collect();
        let sum = Both { value: value.incidents, before: before.incidents };
        rows.push(self.compared(w.say("Tổng cộng", "Total"), sum));
        Table {
            title: w.say("Sự việc theo loại", "Incidents by kind"),
            head: self.compared_head(w.say("Loại", "Kind")),
            rows,
            has_sum: true,
        }
    }

    pub(super) fn khu_pho(self) -> Table {
        let w = self.words;
        let row = |name: &str, both: &Both<Summary>| {
            let Both { value, before } = both;
            let counts = Both { value: value.incidents, before: before.incidents };
            let mut row = self.compared(name, counts);
            row.push(w.some_percent(value.false_alarms.share, 1));
            row.push(w.seconds(value.acknowledge.p50_s));
            row.push(w.seconds(value.arrive.p50_s));
            row.push(w.some_percent(value.uptime.share, 2));
            row
        };
        let each = self.figures.khu_pho.iter();
        let mut rows: Vec<_> = each.map(|known| row(&known.name, &known.figures)).collect();
        rows.push(row(w.say("Tổng cộng", "Total"), &self.figures.total));
        let mut head = self.compared_head("Khu phố");
        head.push(w.say("Báo nhầm", "False"));
        head.push(w.say("Tiếp nhận", "Answered"));
        head.push(w.say("Có mặt", "Arrived"));
        head.push(w.say("Camera tốt", "Cameras up"));
        let title = w.say("Theo khu phố", "By khu phố");
        Table { title, head, rows, has_sum: true }
    }

    pub(super) fn verdicts(self) -> Table {
        let w = self.words;
        let Both { value, before } = &self.figures.total;
        let pair = |of: fn(&Summary) -> u64| Both { value: of(value), before: of(before) };
        let rows = vec![
            self.compared(w.say("Có thật", "Real"), pair(|s| s.verdicts.real)),
            self.compared(w.say("Báo nhầm", "False alarm"), pair(|s| s.verdicts.false_alarm)),
            self.compared(
                w.say("Không ai kết luận", "Nobody has said"),
                pair(|s| s.verdicts.unanswered),
            ),
            self.compared(w.say("Chưa kết thúc", "Still open"), pair(|s| s.verdicts.open)),
            self.compared(
                w.say("Trong đó quá hạn tiếp nhận", "Of these, escalated"),
                pair(|s| s.escalated),
            ),
        ];
        let head = self.compared_head(w.say("Kết luận", "Verdict"));
        Table { title: w.say("Kết luận", "Verdicts"), head, rows, has_sum: false }
    }

    pub(super) fn false_alarms(self) -> Table {
        let w = self.words;
        let Both { value, before } = &self.figures.total;
        let row = |name: &str, rate: &Rate, earlier: &Rate| {
            let of = format!("{}/{}", w.count(rate.false_alarms), w.count(rate.told));
            let earlier = earlier.share.filter(|_| self.comparable());
            let share = w.some_percent(rate.share, 2);
            vec![name.to_owned(), of, share, w.interval(rate), w.some_percent(earlier, 2)]
        };
        let rate = |summary: &Summary, kind: Kind| {
            summary.false_alarms_by_kind.get(kind.as_str()).copied().unwrap_or_default()
        };
        let mut rows: Vec<_> = super::kinds()
            .map(|kind| row(w.kind(kind), &rate(value, kind), &rate(before, kind)))
            .collect();
        let total = w.say("Tất cả", "All");
        rows.push(row(total, &value.false_alarms, &before.false_alarms));
        let head = vec![
            w.say("Loại", "Kind"),
            w.say("Nhầm/có kết luận", "False/verdicts"),
            w.say("Tỷ lệ", "Rate"),
            w.say("Khoảng tin cậy 95 %", "95 % interval"),
            w.say("Kỳ trước", "Before"),
        ];
        let title = w.say("Tỷ lệ báo nhầm", "False alarms");
        Table { title, head, rows, has_sum: true }
    }

    pub(super) fn times(self) -> Table {
        let w = self.words;
        let Both { value, before } = &self.figures.total;
        let mut rows = vec![
            self.time(
                w.say("Đến khi tiếp nhận", "Until answered"),
                &value.acknowledge,
                &before.acknowledge,
            ),
            self.time(
                w.say("Đến khi có mặt", "Until somebody was there"),
                &value.arrive,
                &before.arrive,
            ),
            self.time(
                w.say("Đến khi kết thúc", "Until it was over"),
                &value.duration,
                &before.duration,
            ),
        ];
        if value.drills.count + before.drills.count > 0 {
            let (now, then) = (&value.drills, &before.drills);
            rows.push(self.time(
                w.say("Diễn tập: tiếp nhận", "Drills: answered"),
                &now.acknowledge,
                &then.acknowledge,
            ));
            rows.push(self.time(
                w.say("Diễn tập: có mặt", "Drills: there"),
                &now.arrive,
                &then.arrive,
            ));
        }
        let head = vec![
            w.say("Thời gian từ khi mở", "Time from the opening"),
            "n",
            w.say("Một nửa trong", "Half within"),
            w.say("90 % trong", "90 % within"),
            w.say("Kỳ trước: một nửa", "Before: half"),
            w.say("90 %", "90 %"),
        ];
        let title = w.say("Thời gian phản ứng", "Response times");
        Table { title, head, rows, has_sum: false }
    }

    fn time(self, name: &str, now: &Times, before: &Times) -> Vec<String> {
        let w = self.words;
        let before = if self.comparable() { *before } else { Times::default() };
        let [a, b, c, d] = [now.p50_s, now.p90_s, before.p50_s, before.p90_s].map(|s| w.seconds(s));
        vec![name.to_owned(), w.count(now.n), a, b, c, d]
    }

    /// Returns what is counted apart: drills, faults of cameras.
    pub(super) fn apart(self) -> Table {
        let w = self.words;
        let Both { value, before } = &self.figures.total;
        let pair = |of: fn(&Summary) -> u64| Both { value: of(value), before: of(before) };
        let rows = vec![
            self.compared(w.say("Diễn tập", "Drills"), pair(|s| s.drills.count)),
            self.compared(
                w.say("Camera mất tín hiệu", "Cameras offline"),
                pair(|s| s.camera_faults.offline),
            ),
            self.compared(
                w.say("Camera đứng hình", "Cameras frozen"),
                pair(|s| s.camera_faults.frozen),
            ),
            self.compared(
                w.say("Camera bị che, lệch", "Cameras blinded"),
                pair(|s| s.camera_faults.blinded),
            ),
            self.compared(
                w.say("Camera sai giờ", "Cameras' clocks"),
                pair(|s| s.camera_faults.clock),
            ),
        ];
        let head = self.compared_head(w.say("Tính riêng", "Counted apart"));
        let title = w.say("Diễn tập và sự cố camera", "Drills and faults of cameras");
        Table { title, head, rows, has_sum: false }
    }

    /// Cameras, those that could be used least first. `places`: with their addresses.
    pub(super) fn cameras(self, places: bool) -> Table {
        let w = self.words;
        let row = |camera: &CameraFigures| {
            let Both { value, before } = &camera.figures;
            let earlier = before.uptime.share.filter(|_| self.comparable());
            let khu_pho = self.figures.name(&camera.khu_pho);
            let place = match camera.address.as_str() {
                "" => khu_pho.to_owned(),
                _ if !places => khu_pho.to_owned(),
                address => format!("{address}, {khu_pho}"),
            };
            vec![
                camera.id.clone(),
                place,
                w.some_percent(value.uptime.share, 2),
                w.some_percent(earlier, 2),
                w.hours(value.uptime.offline_ms),
                w.hours(value.uptime.frozen_ms),
                w.hours(value.uptime.blinded_ms),
                w.hours(value.uptime.known_ms()),
                w.count(value.incidents),
                w.count(value.false_alarms),
            ]
        };
        let head = vec![
            "Camera",
            if places { w.say("Nơi đặt", "Place") } else { "Khu phố" },
            w.say("Hoạt động", "Up"),
            w.say("Kỳ trước", "Before"),
            w.say("Mất (giờ)", "Offline (h)"),
            w.say("Đứng (giờ)", "Frozen (h)"),
            w.say("Che (giờ)", "Blinded (h)"),
            w.say("Theo dõi (giờ)", "Known (h)"),
            w.say("Sự việc", "Incidents"),
            w.say("Nhầm", "False"),
        ];
        let rows = worst_first(self.figures).into_iter().map(row).collect();
        Table { title: w.say("Camera", "Cameras"), head, rows, has_sum: false }
    }

    /// The one sentence that everybody reads.
    pub(super) fn lead(self) -> String {
        let w = self.words;
        let Both { value, before } = &self.figures.total;
        let change = w.change(value.incidents, before.incidents, self.comparable());
        let n = w.count(value.incidents);
        let said = match (w.is_vi(), self.comparable()) {
            (true, true) => format!("Trong kỳ có {n} sự việc, {change} so với kỳ trước."),
            (true, false) => format!("Trong kỳ có {n} sự việc; {change} để so sánh."),
            (false, true) => {
                format!("{n} incidents in this period, {change} on the period before.")
            }
            (false, false) => format!("{n} incidents in this period; {change} to compare with."),
        };
        let rate = &value.false_alarms;
        let Some(share) = rate.share else { return said };
        let (share, told) = (w.percent(share, 2), w.count(rate.told));
        let interval = w.interval(rate);
        if w.is_vi() {
            format!(
                "{said} Báo nhầm {share} (khoảng tin cậy {interval}) của {told} sự việc có kết \
                 luận."
            )
        } else {
            format!("{said} False alarms {share} (interval {interval}) of {told} with a verdict.")
        }
    }

    /// Returns what the reader must know of the figures.
    pub(super) fn notes(self) -> Vec<String> {
        let w = self.words;
        let (period, before) = (&self.figures.period, &self.figures.before);
        let mut notes = vec![format!(
            "{} {}{}.",
            w.say("Hệ thống hoạt động", "The daemon was at work for"),
            w.percent(period.watched, 1),
            if self.comparable() {
                let earlier = w.percent(before.watched, 1);
                format!("{} {earlier}", w.say(" thời gian, kỳ trước", " of the time; before,"))
            } else {
                w.say(" thời gian", " of the time").to_owned()
            }
        )];
        if !period.complete {
            let text = w.say(
                "Kỳ này chưa kết thúc, hoặc sổ bắt đầu sau ngày đầu kỳ: số liệu chưa đủ.",
                "This period is not over, or the ledger began after its first day: figures are not \
                 complete.",
            );
            notes.push(text.to_owned());
        }
        if !before.complete {
            let text = w.say(
                "Sổ không có đủ kỳ trước: không so sánh.",
                "The ledger does not reach back over the period before: nothing is compared.",
            );
            notes.push(text.to_owned());
        }
        notes
    }

    /// Returns how everything is counted.
    pub(super) fn method(self) -> &'static str {
        self.words.say(
            "Mỗi sự việc tính một lần, vào ngày giờ nó bắt đầu; diễn tập và sự cố camera tính \
             riêng. Có thật: có người đến hoặc xử lý xong. Tỷ lệ báo nhầm tính trên các sự việc có \
             kết luận, khoảng tin cậy Wilson 95 %. Camera hoạt động: phần thời gian có hình dùng \
             được, trong thời gian hệ thống theo dõi được nó; lúc hệ thống tắt không tính.",
            "Each incident counts once, on the day and in the hour when it began; drills and \
             faults of cameras are counted apart. Real: somebody went there or resolved it. The \
             rate of false alarms is of incidents with a verdict, its interval is Wilson's of \
             95 %. Cameras up: the part of the time with usable pictures, of the time in which the \
             daemon watched them; while it was off nothing counts.",
        )
    }
}

/// Cameras by uptime, the least first, those of which nothing is known last.
pub(super) fn worst_first(figures: &Figures) -> Vec<&CameraFigures> {
    let mut list: Vec<&CameraFigures> = figures.cameras.iter().collect();
    let up = |camera: &CameraFigures| camera.figures.value.uptime.share.unwrap_or(2.0);
    list.sort_by(|a, b| up(a).total_cmp(&up(b)));
    list
}
