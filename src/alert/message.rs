//! One line for people, short enough for a lock screen.

use crate::rule::health::Fault;

use super::{Context, Id, Incident, Kind, Language, State, Wall};

impl Context {
    /// What happens, where, who sees it, and how it stands.
    pub fn message(&self, incident: &Incident) -> String {
        let vi = self.ward.language == Language::Vi;
        let text = if vi { self.vietnamese(incident) } else { self.english(incident) };
        let exercise = match (incident.exercise, vi) {
            (true, true) => "DIỄN TẬP. ",
            (true, false) => "EXERCISE. ",
            (false, _) => "",
        };
        let more = if vi { vietnamese_more(incident) } else { english_more(incident) };
        format!("{exercise}{text}{more}")
    }

    fn vietnamese(&self, incident: &Incident) -> String {
        let place = self.place(incident);
        let n = incident.cameras.len();
        let minutes = minutes(incident);
        let what = match incident.kind {
            Kind::Fire if n == 0 => format!("CHÁY tại {place}, người dân báo"),
            Kind::Fire => format!("CHÁY tại {place}, {n} camera thấy lửa"),
            Kind::Smoke if n == 0 => format!("KHÓI tại {place}, người dân báo"),
            Kind::Smoke => format!("KHÓI tại {place}, {n} camera thấy khói"),
            Kind::Loitering if n == 0 => format!("Có người lảng vảng tại {place}, người dân báo"),
            Kind::Loitering => {
                format!("Có người lảng vảng tại {place}, đã {minutes}{}", self.zone(incident))
            }
            Kind::Camera if n > 1 => format!("{n} camera mất tín hiệu tại {place}"),
            Kind::Camera => {
                let fault = match fault(incident) {
                    Fault::Offline => "mất tín hiệu",
                    Fault::Frozen => "bị đứng hình",
                    Fault::Blinded => "bị che hoặc lệch hướng",
                    Fault::Clock => "sai giờ",
                };
                format!("Camera {fault} tại {place}{}", self.owner(incident))
            }
            Kind::Other => format!("Người dân báo tại {place}{}", note(incident)),
        };
        let how = match incident.state {
            State::Open => "",
            State::Acknowledged => ". Đã tiếp nhận",
            State::OnScene => ". Đã có mặt",
            State::Resolved => ". Đã xong",
            State::FalseAlarm => ". Báo nhầm",
            State::Expired => ". Đã hết",
        };
        format!("{what}{how}")
    }

    fn english(&self, incident: &Incident) -> String {
        let place = self.place(incident);
        let n = incident.cameras.len();
        let cameras = if n == 1 { "1 camera sees".into() } else { format!("{n} cameras see") };
        let minutes = minutes(incident);
        let what = match incident.kind {
            Kind::Fire if n == 0 => format!("FIRE at {place}, reported by a resident"),
            Kind::Fire => format!("FIRE at {place}, {cameras} flames"),
            Kind::Smoke if n == 0 => format!("SMOKE at {place}, reported by a resident"),
            Kind::Smoke => format!("SMOKE at {place}, {cameras} smoke"),
            Kind::Loitering if n == 0 => format!("Loitering at {place}, reported by a resident"),
            Kind::Loitering => {
                format!("Loitering at {place}, for {minutes}{}", self.zone(incident))
            }
            Kind::Camera if n > 1 => format!("{n} cameras offline at {place}"),
            Kind::Camera => {
                let fault = match fault(incident) {
                    Fault::Offline => "offline",
                    Fault::Frozen => "frozen",
                    Fault::Blinded => "covered or turned away",
                    Fault::Clock => "with a wrong clock",
                };
                format!("Camera {fault} at {place}{}", self.owner(incident))
            }
            Kind::Other => format!("Resident's report at {place}{}", note(incident)),
        };
        let how = match incident.state {
            State::Open => "",
            State::Acknowledged => ". Acknowledged",
            State::OnScene => ". On scene",
            State::Resolved => ". Resolved",
            State::FalseAlarm => ". False alarm",
            State::Expired => ". Over",
        };
        format!("{what}{how}")
    }

    /// "Hẻm 42 Lê Văn Sỹ (Khu phố 3)".
    fn place(&self, incident: &Incident) -> String {
        let khu_pho = self.khu_pho_name(&incident.khu_pho);
        let seen = incident.cameras.first().and_then(|seen| self.site(&seen.camera));
        let address = match seen {
            Some(site) if !site.place.address.is_empty() => Some(site.place.address.clone()),
            Some(site) => Some(site.id.to_string()),
            None => incident.reports.last().and_then(|report| report.place.clone()),
        };
        address.map_or(khu_pho.clone(), |address| format!("{address} ({khu_pho})"))
    }

    fn khu_pho_name(&self, id: &Id) -> String {
        let known = self.khu_pho.iter().find(|khu_pho| khu_pho.id == *id);
        known.map_or_else(|| id.to_string(), |khu_pho| khu_pho.name.clone())
    }

    fn zone(&self, incident: &Incident) -> String {
        let zone = incident.cameras.iter().find_map(|seen| seen.zone.as_ref());
        zone.map(|zone| format!(", {zone}")).unwrap_or_default()
    }

    fn owner(&self, incident: &Incident) -> String {
        let seen = incident.cameras.first().and_then(|seen| self.site(&seen.camera));
        let owner = seen.and_then(|site| site.owner.as_ref());
        owner.map(|owner| format!(", {}", owner.name)).unwrap_or_default()
    }
}

/// What is to be known beside: nobody answers, the siren sounds, where it goes on, how long a
/// drill's steps took, what was not told.
fn vietnamese_more(incident: &Incident) -> String {
    let mut more = String::new();
    if incident.merged_into.is_some() {
        more.push_str(", nhập vào sự việc khác");
    }
    if let Some((taken, there, over)) = drilled(incident) {
        more = format!("{more}. Tiếp nhận {taken}, có mặt {there}, xong {over}");
    }
    if is_unanswered(incident) {
        more.push_str(". CHƯA AI TIẾP NHẬN");
    }
    if is_loud(incident) {
        more.push_str(". CÒI ĐANG HÚ");
    }
    match incident.held_back {
        0 => more,
        held_back => format!("{more} (gộp {held_back} tin)"),
    }
}

fn english_more(incident: &Incident) -> String {
    let mut more = String::new();
    if incident.merged_into.is_some() {
        more.push_str(", goes on in another incident");
    }
    if let Some((taken, there, over)) = drilled(incident) {
        more = format!("{more}. Acknowledged {taken}, on scene {there}, over {over}");
    }
    if is_unanswered(incident) {
        more.push_str(". NOBODY HAS ANSWERED");
    }
    if is_loud(incident) {
        more.push_str(". THE SIREN SOUNDS");
    }
    match incident.held_back {
        0 => more,
        held_back => format!("{more} ({held_back} held back)"),
    }
}

fn is_unanswered(incident: &Incident) -> bool {
    incident.escalated_at.is_some() && incident.state == State::Open
}

fn is_loud(incident: &Incident) -> bool {
    incident.siren.as_ref().is_some_and(|siren| siren.on)
}

/// How long after a drill's begin it was taken charge of, somebody was there, and it was over.
fn drilled(incident: &Incident) -> Option<(String, String, String)> {
    let over = incident.closed_at.filter(|_| incident.exercise)?;
    let after = |at: Option<Wall>| {
        at.map_or("–".to_owned(), |at| {
            let us = at.0.saturating_sub(incident.opened_at.0);
            span(u64::try_from(us).unwrap_or(0) / 1_000_000)
        })
    };
    let taken = incident.acknowledged.as_ref().map(|taken| taken.at);
    Some((after(taken), after(incident.on_scene_at), after(Some(over))))
}

/// "45 s" or "12 min": understood in both languages.
fn minutes(incident: &Incident) -> String {
    span(incident.dwell.unwrap_or_default().as_secs())
}

fn span(seconds: u64) -> String {
    if seconds < 90 { format!("{seconds} s") } else { format!("{} min", (seconds + 30) / 60) }
}

/// What is wrong with the first camera.
fn fault(incident: &Incident) -> Fault {
    incident.cameras.first().and_then(|seen| seen.fault).unwrap_or(Fault::Offline)
}

fn note(incident: &Incident) -> String {
    let note = incident.reports.last().and_then(|report| report.note.as_ref());
    note.map(|note| format!(": {note}")).unwrap_or_default()
}
