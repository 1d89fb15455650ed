//! One line for people, short enough for a lock screen.

use super::phrase::Phrase;
use super::template::Placeholder;
use super::{Acknowledgement, AlertContext, Id, Incident, IncidentState, Wall};
use crate::incident::kind::Variation;
use crate::rule::health::Fault;

/// A lock screen shows no more, characters.
const LINE_CHARS_MAX: usize = 120;
/// But the first sentence is not cut below this for what follows it.
const FIRST_CHARS_MIN: usize = 40;

impl AlertContext {
    /// Writes what happens, where, who sees it, and its state. A first sentence that is too long
    /// for a lock screen is cut.
    pub fn message(&self, incident: &Incident) -> String {
        let with = |slot| self.filling(incident, slot);
        let say = |phrase| self.messages.say(phrase, &with);
        let before = if incident.exercise { say(Phrase::Exercise) } else { String::new() };
        let after: String = endings(incident).into_iter().map(say).collect();
        let around = before.chars().count() + after.chars().count();
        let most = LINE_CHARS_MAX.saturating_sub(around).max(FIRST_CHARS_MIN);
        let what = cut(say(what(incident)), most);
        format!("{before}{what}{after}")
    }

    fn filling(&self, incident: &Incident, slot: Placeholder) -> String {
        let cameras = incident.cameras.len();
        let first = incident.cameras.first();
        let site = first.and_then(|seen| self.site(&seen.camera));
        let after = |at: Option<Wall>| after(incident, at);
        let text = match slot {
            Placeholder::Place => Some(self.place(incident)),
            Placeholder::Address => self.address(incident),
            Placeholder::KhuPho => Some(self.khu_pho_name(&incident.khu_pho)),
            Placeholder::Cameras => Some(cameras.to_string()),
            Placeholder::SeenBy => Some(self.messages.seen_by(cameras)),
            Placeholder::Dwell => Some(span(incident.dwell.unwrap_or_default().as_secs())),
            Placeholder::Zone => incident.cameras.iter().find_map(|seen| seen.zone.clone()),
            Placeholder::Fault => {
                let fault = first.and_then(|seen| seen.fault).unwrap_or(Fault::Offline);
                Some(self.messages.fault(fault).to_owned())
            }
            Placeholder::Owner => site.and_then(|site| Some(site.owner.as_ref()?.name.clone())),
            Placeholder::Note => incident.reports.last().and_then(|report| report.note.clone()),
            Placeholder::By => newest_step(incident).map(|step| step.by.clone()),
            Placeholder::Since => {
                let zoned = incident.opened_at.to_jiff().to_zoned(self.ward.timezone.clone());
                Some(zoned.strftime("%H:%M").to_string())
            }
            Placeholder::TakenAfter => {
                Some(after(incident.acknowledged.as_ref().map(|taken| taken.at)))
            }
            Placeholder::ThereAfter => Some(after(incident.on_scene_at)),
            Placeholder::OverAfter => Some(after(incident.closed_at)),
            Placeholder::HeldBack => Some(incident.held_back.to_string()),
        };
        text.unwrap_or_default()
    }

    /// "Hẻm 42 Lê Văn Sỹ (Khu phố 3)".
    fn place(&self, incident: &Incident) -> String {
        let khu_pho = self.khu_pho_name(&incident.khu_pho);
        let address = self.address(incident);
        address.map_or(khu_pho.clone(), |address| format!("{address} ({khu_pho})"))
    }

    fn address(&self, incident: &Incident) -> Option<String> {
        let seen = incident.cameras.first().and_then(|seen| self.site(&seen.camera));
        match seen {
            Some(site) if !site.place.address.is_empty() => Some(site.place.address.clone()),
            Some(site) => Some(site.id.to_string()),
            None => incident.reports.last().and_then(|report| report.place.clone()),
        }
    }

    fn khu_pho_name(&self, id: &Id) -> String {
        let known = self.khu_pho.iter().find(|khu_pho| khu_pho.id == *id);
        known.map_or_else(|| id.to_string(), |khu_pho| khu_pho.name.clone())
    }
}

/// The first sentence.
fn what(incident: &Incident) -> Phrase {
    let cameras = incident.cameras.len();
    let holds = |variation: Variation| match variation {
        Variation::OnlyReported => cameras == 0,
        Variation::SeveralCameras => cameras > 1,
    };
    match incident.kind.facts().variation {
        Some((variation, _)) if holds(variation) => Phrase::FirstVaried(incident.kind),
        _ => Phrase::First(incident.kind),
    }
}

/// Returns how it stands, and what is to be known beside: where it goes on, how long a drill's
/// steps took, that nobody answers, that the siren sounds, what was not told.
fn endings(incident: &Incident) -> Vec<Phrase> {
    let state = match incident.state {
        IncidentState::Open => None,
        IncidentState::Acknowledged => Some(Phrase::Acknowledged),
        IncidentState::OnScene => Some(Phrase::OnScene),
        IncidentState::Resolved => Some(Phrase::Resolved),
        IncidentState::FalseAlarm => Some(Phrase::FalseAlarm),
        IncidentState::Expired => Some(Phrase::Expired),
    };
    let unanswered = incident.escalated_at.is_some() && incident.state == IncidentState::Open;
    let loud = incident.siren.as_ref().is_some_and(|siren| siren.on);
    let more = [
        (incident.merged_into.is_some(), Phrase::Merged),
        (incident.exercise && incident.closed_at.is_some(), Phrase::Drill),
        (unanswered, Phrase::Unanswered),
        (loud, Phrase::Siren),
        (incident.held_back > 0, Phrase::HeldBack),
    ];
    let more = more.into_iter().filter_map(|(holds, phrase)| holds.then_some(phrase));
    state.into_iter().chain(more).collect()
}

fn newest_step(incident: &Incident) -> Option<&Acknowledgement> {
    let (closed, there) = (incident.closed.as_ref(), incident.on_scene.as_ref());
    closed.or(there).or(incident.acknowledged.as_ref())
}

/// Returns how long after an incident's begin something was.
fn after(incident: &Incident, at: Option<Wall>) -> String {
    at.map_or("–".to_owned(), |at| {
        let us = at.0.saturating_sub(incident.opened_at.0);
        span(u64::try_from(us).unwrap_or(0) / 1_000_000)
    })
}

/// "45 s" or "12 min": understood in both languages.
fn span(seconds: u64) -> String {
    if seconds < 90 { format!("{seconds} s") } else { format!("{} min", (seconds + 30) / 60) }
}

fn cut(text: String, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text;
    }
    let kept: String = text.chars().take(chars_max.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}
